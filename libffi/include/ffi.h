/* libffi's interface, implemented by vmtrampoline. libffi's own manual documents it; README.md
   says what differs. */

#ifndef LIBFFI_H
#define LIBFFI_H

/* Values of ffi_type.type. */
#define FFI_TYPE_VOID 0
#define FFI_TYPE_INT 1
#define FFI_TYPE_FLOAT 2
#define FFI_TYPE_DOUBLE 3
#define FFI_TYPE_LONGDOUBLE 4
#define FFI_TYPE_UINT8 5
#define FFI_TYPE_SINT8 6
#define FFI_TYPE_UINT16 7
#define FFI_TYPE_SINT16 8
#define FFI_TYPE_UINT32 9
#define FFI_TYPE_SINT32 10
#define FFI_TYPE_UINT64 11
#define FFI_TYPE_SINT64 12
#define FFI_TYPE_STRUCT 13
#define FFI_TYPE_POINTER 14
#define FFI_TYPE_COMPLEX 15
#define FFI_TYPE_UINT128 16
#define FFI_TYPE_SINT128 17
#define FFI_TYPE_LAST FFI_TYPE_SINT128

#define FFI_VERSION_STRING "3.7.0"
#define FFI_VERSION_NUMBER 30700

#define FFI_SIZEOF_ARG 8
#define FFI_SIZEOF_JAVA_RAW FFI_SIZEOF_ARG

#define FFI_API

#include <ffitarget.h>

#ifndef LIBFFI_ASM

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define FFI_DEPRECATED __attribute__((deprecated))
#else
#define FFI_DEPRECATED
#endif

/* Types. Of a structure, elements points to those of its fields, ended by NULL; if size is 0,
   the first use fills in size and alignment. */

typedef struct _ffi_type {
    size_t size;
    unsigned short alignment;
    unsigned short type;
    struct _ffi_type **elements;
} ffi_type;

extern ffi_type ffi_type_void;
extern ffi_type ffi_type_uint8, ffi_type_sint8;
extern ffi_type ffi_type_uint16, ffi_type_sint16;
extern ffi_type ffi_type_uint32, ffi_type_sint32;
extern ffi_type ffi_type_uint64, ffi_type_sint64;
extern ffi_type ffi_type_uint128, ffi_type_sint128;
extern ffi_type ffi_type_float, ffi_type_double, ffi_type_longdouble;
extern ffi_type ffi_type_pointer;
extern ffi_type ffi_type_complex_float, ffi_type_complex_double, ffi_type_complex_longdouble;

#define ffi_type_uchar ffi_type_uint8
#define ffi_type_schar ffi_type_sint8
#define ffi_type_ushort ffi_type_uint16
#define ffi_type_sshort ffi_type_sint16
#define ffi_type_uint ffi_type_uint32
#define ffi_type_sint ffi_type_sint32
#define ffi_type_ulong ffi_type_uint64
#define ffi_type_slong ffi_type_sint64

typedef enum {
    FFI_OK,
    FFI_BAD_TYPEDEF,
    FFI_BAD_ABI,
    FFI_BAD_ARGTYPE
} ffi_status;

/* A signature, prepared for calls. */

typedef struct {
    ffi_abi abi;
    unsigned nargs;
    ffi_type **arg_types;
    ffi_type *rtype;
    unsigned bytes; /* these two are the library's own */
    unsigned flags;
#ifdef FFI_EXTRA_CIF_FIELDS
    FFI_EXTRA_CIF_FIELDS;
#endif
} ffi_cif;

#define FFI_FN(f) ((void (*)(void))f)
#define FFI_CL(f) ((void *)(f))

FFI_API ffi_status ffi_prep_cif(ffi_cif *cif, ffi_abi abi, unsigned nargs, ffi_type *rtype,
                                ffi_type **arg_types);
FFI_API ffi_status ffi_prep_cif_var(ffi_cif *cif, ffi_abi abi, unsigned nfixedargs,
                                    unsigned ntotalargs, ffi_type *rtype, ffi_type **arg_types);
FFI_API void ffi_call(ffi_cif *cif, void (*fn)(void), void *rvalue, void **avalue);
FFI_API ffi_status ffi_get_struct_offsets(ffi_abi abi, ffi_type *type, size_t *offsets);

/* Calls by a plan. */

typedef struct ffi_call_plan ffi_call_plan;

FFI_API ffi_call_plan *ffi_call_plan_alloc(ffi_cif *cif);
FFI_API void ffi_call_plan_invoke(ffi_call_plan *plan, void (*fn)(void), void *rvalue,
                                  void **avalue);
FFI_API void ffi_call_plan_free(ffi_call_plan *plan);
FFI_API size_t ffi_call_plan_size(ffi_call_plan *plan);

/* What this is. */

FFI_API const char *ffi_get_version(void);
FFI_API unsigned long ffi_get_version_number(void);
FFI_API unsigned ffi_get_default_abi(void);
FFI_API size_t ffi_get_closure_size(void);

/* Closures. */

#if defined(__GNUC__)
__extension__
#endif
typedef struct {
#if defined(__GNUC__)
    __extension__
#endif
    union {
        char tramp[FFI_TRAMPOLINE_SIZE];
        void *ftramp;
    };
    ffi_cif *cif;
    void (*fun)(ffi_cif *, void *, void **, void *);
    void *user_data;
} ffi_closure;

FFI_API void *ffi_closure_alloc(size_t size, void **code);
FFI_API void ffi_closure_free(void *closure);
FFI_API ffi_status ffi_prep_closure_loc(ffi_closure *closure, ffi_cif *cif,
                                        void (*fun)(ffi_cif *, void *, void **, void *),
                                        void *user_data, void *codeloc);
FFI_API ffi_status ffi_prep_closure(ffi_closure *closure, ffi_cif *cif,
                                    void (*fun)(ffi_cif *, void *, void **, void *),
                                    void *user_data) FFI_DEPRECATED;

/* Arguments one behind the other, instead of pointers to them. */

typedef union {
    ffi_sarg sint;
    ffi_arg uint;
    float flt;
    char data[FFI_SIZEOF_ARG];
    void *ptr;
} ffi_raw;

typedef ffi_raw ffi_java_raw;

FFI_API size_t ffi_raw_size(ffi_cif *cif);
FFI_API void ffi_raw_to_ptrarray(ffi_cif *cif, ffi_raw *raw, void **args);
FFI_API void ffi_ptrarray_to_raw(ffi_cif *cif, void **args, ffi_raw *raw);
FFI_API void ffi_raw_call(ffi_cif *cif, void (*fn)(void), void *rvalue, ffi_raw *avalue);

FFI_API size_t ffi_java_raw_size(ffi_cif *cif) FFI_DEPRECATED;
FFI_API void ffi_java_raw_to_ptrarray(ffi_cif *cif, ffi_java_raw *raw,
                                      void **args) FFI_DEPRECATED;
FFI_API void ffi_java_ptrarray_to_raw(ffi_cif *cif, void **args,
                                      ffi_java_raw *raw) FFI_DEPRECATED;
FFI_API void ffi_java_raw_call(ffi_cif *cif, void (*fn)(void), void *rvalue,
                               ffi_java_raw *avalue) FFI_DEPRECATED;

typedef struct {
    char tramp[FFI_TRAMPOLINE_SIZE];
    ffi_cif *cif;
    void (*translate_args)(ffi_cif *, void *, void **, void *);
    void *this_closure;
    void (*fun)(ffi_cif *, void *, ffi_raw *, void *);
    void *user_data;
} ffi_raw_closure;

typedef struct {
    char tramp[FFI_TRAMPOLINE_SIZE];
    ffi_cif *cif;
    void (*translate_args)(ffi_cif *, void *, void **, void *);
    void *this_closure;
    void (*fun)(ffi_cif *, void *, ffi_java_raw *, void *);
    void *user_data;
} ffi_java_raw_closure;

FFI_API ffi_status ffi_prep_raw_closure(ffi_raw_closure *closure, ffi_cif *cif,
                                        void (*fun)(ffi_cif *, void *, ffi_raw *, void *),
                                        void *user_data);
FFI_API ffi_status ffi_prep_raw_closure_loc(ffi_raw_closure *closure, ffi_cif *cif,
                                            void (*fun)(ffi_cif *, void *, ffi_raw *, void *),
                                            void *user_data, void *codeloc);
FFI_API ffi_status
ffi_prep_java_raw_closure(ffi_java_raw_closure *closure, ffi_cif *cif,
                          void (*fun)(ffi_cif *, void *, ffi_java_raw *, void *),
                          void *user_data) FFI_DEPRECATED;
FFI_API ffi_status
ffi_prep_java_raw_closure_loc(ffi_java_raw_closure *closure, ffi_cif *cif,
                              void (*fun)(ffi_cif *, void *, ffi_java_raw *, void *),
                              void *user_data, void *codeloc) FFI_DEPRECATED;

#ifdef __cplusplus
}
#endif

#endif /* LIBFFI_ASM */

#endif
