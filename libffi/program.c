/* What libffi's own tests do not ask. Ends with exit code 0, or says which line is wrong. */

#include <ffi.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(x) \
    do { \
        if (!(x)) { \
            printf("line %d: %s\n", __LINE__, #x); \
            exit(1); \
        } \
    } while (0)

#ifdef __x86_64__
/* Returns how many vector registers its caller says that a variadic function gets. */
long vectors(void);
__asm__(".text; .globl vectors; .type vectors, @function; vectors: movzbl %al, %eax; ret");
#endif

static double sum(int count, ...) {
    va_list list;
    double all = 0;
    va_start(list, count);
    while (count--)
        all += va_arg(list, double);
    va_end(list);
    return all;
}

static void variadic(void) {
    ffi_type *types[] = { &ffi_type_sint, &ffi_type_double, &ffi_type_double };
    int count = 2;
    double a = 1.5, b = 2.25, result = 0;
    void *values[] = { &count, &a, &b };
    ffi_cif cif;
#ifdef __x86_64__
    ffi_arg vector;
    CHECK(ffi_prep_cif(&cif, FFI_DEFAULT_ABI, 3, &ffi_type_slong, types) == FFI_OK);
    ffi_call(&cif, FFI_FN(vectors), &vector, values);
    CHECK(vector == 2);
#endif
#ifndef __riscv /* where such a call is wrong by libffi, too */
    CHECK(ffi_prep_cif(&cif, FFI_DEFAULT_ABI, 3, &ffi_type_double, types) == FFI_OK);
    ffi_call(&cif, FFI_FN(sum), &result, values);
    CHECK(result == 3.75);
#endif
    CHECK(ffi_prep_cif_var(&cif, FFI_DEFAULT_ABI, 1, 3, &ffi_type_double, types) == FFI_OK);
    ffi_call(&cif, FFI_FN(sum), &result, values);
    CHECK(result == 3.75);
    types[2] = &ffi_type_float;
    CHECK(ffi_prep_cif_var(&cif, FFI_DEFAULT_ABI, 1, 3, &ffi_type_double, types) == FFI_BAD_ARGTYPE);
}

static signed char negate(signed char x) { return -x; }

/* A cif that is copied and then gone; results of any address, or none; plans. */
static void cifs(void) {
    ffi_type *types[] = { &ffi_type_schar };
    ffi_cif *made = malloc(sizeof *made), cif;
    signed char x = 5;
    void *values[] = { &x };
    CHECK(ffi_prep_cif(made, FFI_DEFAULT_ABI, 1, &ffi_type_schar, types) == FFI_OK);
    memcpy(&cif, made, sizeof cif);
    memset(made, 0xff, sizeof *made);
    free(made);
    struct { char before; ffi_sarg value; char after; } __attribute__((packed)) result = { 1, 99, 2 };
    ffi_call(&cif, FFI_FN(negate), &result.value, values);
    CHECK(result.before == 1 && result.value == -5 && result.after == 2);
    ffi_call(&cif, FFI_FN(negate), NULL, values);
    ffi_call_plan *plan = ffi_call_plan_alloc(&cif);
    x = 6;
    ffi_call_plan_invoke(plan, FFI_FN(negate), &result.value, values);
    CHECK(result.value == -6);
    CHECK(ffi_call_plan_size(plan) > 0);
    ffi_call_plan_free(plan);
    ffi_call_plan_free(NULL);
    CHECK(ffi_call_plan_size(NULL) == 0);
    CHECK(ffi_prep_cif(&cif, FFI_LAST_ABI, 1, &ffi_type_schar, types) == FFI_BAD_ABI);
#ifdef __x86_64__
    CHECK(ffi_prep_cif(&cif, FFI_WIN64, 1, &ffi_type_schar, types) == FFI_BAD_ABI);
#endif
    CHECK(ffi_get_default_abi() == FFI_DEFAULT_ABI && ffi_get_closure_size() == sizeof(ffi_closure));
    CHECK(ffi_get_version_number() == FFI_VERSION_NUMBER && !strcmp(ffi_get_version(), FFI_VERSION_STRING));
}

/* Structures whose size says more than their elements. */
typedef union { double number; long bits; } either;
typedef struct { char a; double b; } __attribute__((packed)) packed;
typedef struct { char text[40]; } text;

static long bits_of(either x) { return x.bits; }
static packed swapped(packed x) { return (packed){ (char)x.b, x.a }; }
static int length(text x) { return (int)strlen(x.text); }

static void structures(void) {
    ffi_type *members[] = { &ffi_type_double, &ffi_type_slong, NULL };
    ffi_type *fields[] = { &ffi_type_schar, &ffi_type_double, NULL };
    ffi_type *start[] = { &ffi_type_pointer, NULL };
    ffi_type type_either = { sizeof(either), 8, FFI_TYPE_STRUCT, members };
    ffi_type type_packed = { sizeof(packed), 1, FFI_TYPE_STRUCT, fields };
    ffi_type type_text = { sizeof(text), 1, FFI_TYPE_STRUCT, start };
    ffi_type type_odd = { 3, 1, FFI_TYPE_STRUCT, fields };
    ffi_type *types[1];
    void *values[1];
    ffi_cif cif;
    ffi_arg word;

    either x = { .bits = 77 };
    types[0] = &type_either, values[0] = &x;
    CHECK(ffi_prep_cif(&cif, FFI_DEFAULT_ABI, 1, &ffi_type_slong, types) == FFI_OK);
    ffi_call(&cif, FFI_FN(bits_of), &word, values);
    CHECK(word == 77);

    packed y = { 3, 4 };
    types[0] = &type_packed, values[0] = &y;
    CHECK(ffi_prep_cif(&cif, FFI_DEFAULT_ABI, 1, &type_packed, types) == FFI_OK);
    ffi_call(&cif, FFI_FN(swapped), &y, values);
    CHECK(y.a == 4 && y.b == 3);

    text z = { "a text of an array in a structure" };
    types[0] = &type_text, values[0] = &z;
    CHECK(ffi_prep_cif(&cif, FFI_DEFAULT_ABI, 1, &ffi_type_sint, types) == FFI_OK);
    ffi_call(&cif, FFI_FN(length), &word, values);
    CHECK((int)word == (int)strlen(z.text));

    types[0] = &type_odd;
    CHECK(ffi_prep_cif(&cif, FFI_DEFAULT_ABI, 1, &ffi_type_sint, types) == FFI_BAD_TYPEDEF);

    size_t offsets[2];
    ffi_type natural = { 0, 0, FFI_TYPE_STRUCT, fields };
    CHECK(ffi_get_struct_offsets(FFI_DEFAULT_ABI, &natural, offsets) == FFI_OK);
    CHECK(offsets[0] == 0 && offsets[1] == 8 && natural.size == 16 && natural.alignment == 8);
    CHECK(ffi_get_struct_offsets(FFI_DEFAULT_ABI, &ffi_type_sint, offsets) == FFI_BAD_TYPEDEF);
}

static void plus(ffi_cif *cif, void *result, void **values, void *data) {
    (void)cif;
    *(ffi_arg *)result = *(int *)values[0] + *(int *)data;
}

/* Closures of our memory and of other; one prepared twice; all that there are. */
static void closures(void) {
    static void *all[1 << 16];
    ffi_type *types[] = { &ffi_type_sint };
    ffi_cif cif;
    ffi_closure other;
    int five = 5, six = 6, count = 0;
    void *code, *codes;
    CHECK(ffi_prep_cif(&cif, FFI_DEFAULT_ABI, 1, &ffi_type_sint, types) == FFI_OK);
    ffi_closure *closure = ffi_closure_alloc(sizeof(ffi_closure), &code);
    CHECK(ffi_prep_closure_loc(&other, &cif, plus, &five, code) == FFI_BAD_ABI);
    CHECK(ffi_prep_closure_loc(closure, &cif, plus, &five, closure) == FFI_BAD_ABI);
    CHECK(ffi_prep_closure(closure, &cif, plus, &five) == FFI_BAD_ABI);
    CHECK(ffi_prep_closure_loc(closure, &cif, plus, &five, code) == FFI_OK);
    CHECK(((int (*)(int))code)(2) == 7);
    CHECK(ffi_prep_closure_loc(closure, &cif, plus, &six, code) == FFI_OK);
    CHECK(((int (*)(int))code)(2) == 8);
    closure->user_data = &five;
    CHECK(((int (*)(int))code)(2) == 7);
    while (count < 1 << 16 && (all[count] = ffi_closure_alloc(sizeof(ffi_closure), &codes)))
        count++;
    CHECK(count >= 1000);
    while (count--)
        ffi_closure_free(all[count]);
    CHECK((all[0] = ffi_closure_alloc(sizeof(ffi_closure), &codes)));
    ffi_closure_free(all[0]);
    ffi_closure_free(closure);
}

/* Frees its own closure, and writes all over the memory that is free then. */
static void final(ffi_cif *cif, void *result, void **values, void *data) {
    int x = *(int *)values[0];
    ffi_closure_free(*(void **)data);
    for (size_t size = 16; size < 512; size += 16) {
        void *blocks[8];
        for (int i = 0; i < 8; i++)
            memset(blocks[i] = malloc(size), 0xff, size);
        for (int i = 0; i < 8; i++)
            free(blocks[i]);
    }
    *(ffi_arg *)result = x + 1;
    (void)cif;
}

/* A closure whose function frees it while it runs. */
static void last_calls(void) {
    ffi_type *types[] = { &ffi_type_sint };
    volatile long double one = 1;
    void *closure, *code;
    ffi_cif cif;
    CHECK(ffi_prep_cif(&cif, FFI_DEFAULT_ABI, 1, &ffi_type_sint, types) == FFI_OK);
    for (int i = 0; i < 200; i++) {
        closure = ffi_closure_alloc(sizeof(ffi_closure), &code);
        CHECK(ffi_prep_closure_loc(closure, &cif, final, &closure, code) == FFI_OK);
        CHECK(((int (*)(int))code)(i) == i + 1);
        CHECK(one + one == 2);
    }
}

static double mixed(int a, double b, signed char c) { return a + b + c; }

static void raw_mixed(ffi_cif *cif, void *result, ffi_raw *raw, void *data) {
    void *values[3];
    ffi_raw_to_ptrarray(cif, raw, values);
    *(double *)result = *(int *)values[0] + *(double *)values[1] + *(signed char *)values[2] + *(int *)data;
}

static void java_mixed(ffi_cif *cif, void *result, ffi_java_raw *raw, void *data) {
    void *values[3];
    ffi_java_raw_to_ptrarray(cif, raw, values);
    *(double *)result = *(int *)values[0] + *(double *)values[1] + *(signed char *)values[2] + *(int *)data;
}

/* Arguments in words. */
static void raw(void) {
    ffi_type *types[] = { &ffi_type_sint, &ffi_type_double, &ffi_type_schar };
    int a = -7, data = 1000;
    double b = 2.5, result = 0;
    signed char c = -3;
    void *values[] = { &a, &b, &c }, *code;
    ffi_raw words[8];
    ffi_cif cif;
    CHECK(ffi_prep_cif(&cif, FFI_DEFAULT_ABI, 3, &ffi_type_double, types) == FFI_OK);
    CHECK(ffi_raw_size(&cif) == 24 && ffi_java_raw_size(&cif) == 32);
    ffi_ptrarray_to_raw(&cif, values, words);
    CHECK(words[0].sint == -7 && words[2].sint == -3);
    ffi_raw_call(&cif, FFI_FN(mixed), &result, words);
    CHECK(result == -7.5);
    ffi_java_ptrarray_to_raw(&cif, values, words);
    ffi_java_raw_call(&cif, FFI_FN(mixed), &result, words);
    CHECK(result == -7.5);

    ffi_raw_closure *closure = ffi_closure_alloc(sizeof(ffi_raw_closure), &code);
    CHECK(ffi_prep_raw_closure_loc(closure, &cif, raw_mixed, &data, code) == FFI_OK);
    CHECK(((__typeof__(&mixed))code)(a, b, c) == 992.5);
    CHECK(ffi_prep_java_raw_closure_loc((ffi_java_raw_closure *)closure, &cif, java_mixed, &data, code) == FFI_OK);
    CHECK(((__typeof__(&mixed))code)(a, b, c) == 992.5);
    ffi_closure_free(closure);
}

/* Signatures that differ only in what their structures are made of; a result in memory that the
   program does or does not want; more parameters than a key has digits for. */
typedef struct { double a, b; } floats;
typedef struct { long a, b; } longs;

static int calls;

static double float_of(floats x) { return x.b; }
static double long_of(longs x) { return x.b; }
static text same(text x) { calls++; return x; }
static long last(long a, long b, long c, long d, long e, long f, long g, long h, long i, long j, int k) {
    return a + b + c + d + e + f + g + h + i + j == 10 ? k : 0;
}

#ifdef __x86_64__
/* Where a function is told to put its result. */
static size_t place;

static void *noted(void *to) {
    place = (size_t)to;
    return to;
}
#endif

static void alike(void) {
    ffi_type *doubles[] = { &ffi_type_double, &ffi_type_double, NULL };
    ffi_type *slongs[] = { &ffi_type_slong, &ffi_type_slong, NULL };
    ffi_type *pointers[] = { &ffi_type_pointer, &ffi_type_pointer, &ffi_type_pointer, &ffi_type_pointer, &ffi_type_pointer, NULL };
    ffi_type type_floats = { 0, 0, FFI_TYPE_STRUCT, doubles };
    ffi_type type_longs = { 0, 0, FFI_TYPE_STRUCT, slongs };
    ffi_type type_text = { 0, 0, FFI_TYPE_STRUCT, pointers };
    ffi_type *types[11] = { &type_floats };
    ffi_cif cif[2];
    CHECK(ffi_prep_cif(&cif[0], FFI_DEFAULT_ABI, 1, &ffi_type_double, types) == FFI_OK);
    types[0] = &type_longs;
    CHECK(ffi_prep_cif(&cif[1], FFI_DEFAULT_ABI, 1, &ffi_type_double, types) == FFI_OK);
    floats x = { 1.5, 2.5 };
    longs y = { 3, 4 };
    double result;
    ffi_call(&cif[0], FFI_FN(float_of), &result, (void *[]){ &x });
    CHECK(result == 2.5);
    ffi_call(&cif[1], FFI_FN(long_of), &result, (void *[]){ &y });
    CHECK(result == 4);

    text message = { "a result in memory" }, copy = { "" };
    types[0] = &type_text;
    CHECK(ffi_prep_cif(&cif[0], FFI_DEFAULT_ABI, 1, &type_text, types) == FFI_OK);
    ffi_call(&cif[0], FFI_FN(same), NULL, (void *[]){ &message });
    CHECK(calls == 1);
    ffi_call(&cif[0], FFI_FN(same), &copy, (void *[]){ &message });
    CHECK(calls == 2 && !strcmp(copy.text, message.text));
#ifdef __x86_64__
    ffi_type *extended[] = { &ffi_type_longdouble, &ffi_type_longdouble, NULL };
    ffi_type type_extended = { 0, 0, FFI_TYPE_STRUCT, extended };
    CHECK(ffi_prep_cif(&cif[0], FFI_DEFAULT_ABI, 0, &type_extended, NULL) == FFI_OK);
    ffi_call(&cif[0], FFI_FN(noted), NULL, NULL);
    CHECK(place % 16 == 0);
#endif

    long one = 1;
    int k[2] = { 7, 8 };
    void *values[11];
    for (int i = 0; i < 10; i++) {
        types[i] = &ffi_type_slong;
        values[i] = &one;
    }
    for (int i = 0; i < 2; i++) {
        ffi_arg word;
        types[10] = i ? &ffi_type_sint : &ffi_type_slong;
        CHECK(ffi_prep_cif(&cif[i], FFI_DEFAULT_ABI, 11, &ffi_type_slong, types) == FFI_OK);
        long wide = k[i];
        values[10] = i ? (void *)&k[i] : &wide;
        ffi_call(&cif[i], FFI_FN(last), &word, values);
        CHECK((long)word == k[i]);
    }
}

int main(void) {
    variadic();
    cifs();
    structures();
    alike();
    closures();
    last_calls();
    raw();
    return 0;
}
