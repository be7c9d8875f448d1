/* vmtrampoline: call native code, and be called by it, with signatures known only at
 * run time.
 *
 *     vmt_signature *signature = vmt_signature_parse("(double, double) -> double");
 *     vmt_trampoline *trampoline = vmt_trampoline_new(signature, sizeof(vmt_slot));
 *     vmt_slot slots[2];
 *     slots[0].f64 = 2;
 *     slots[1].f64 = 10;
 *     if (!vmt_call(trampoline, (vmt_target)pow, slots, 2))
 *         puts(vmt_error());
 *     assert(slots[0].f64 == 1024);
 *
 * Objects are opaque, and none changes after it is made, so threads may share them. A
 * call allocates nothing and takes no lock.
 *
 * What begins with vmt_vm_, vmt_pool_ and vmt_host_ is for the VM convention: that of
 * Wasmtime 0.38 to 8.0.1, with two contexts before the parameters and any number of
 * results. It has the types of WebAssembly and ptr. All else is for plain C.
 *
 * A function that fails returns NULL, 0 or VMT_NONE, and vmt_error says why. NULL for an
 * object fails, too, and leaves vmt_error as it is: so it is the first failure of a
 * chain that is told. Freeing NULL does nothing. */
#ifndef VMTRAMPOLINE_H
#define VMTRAMPOLINE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* No such number: the result of functions that return a size_t and fail. */
#define VMT_NONE ((size_t)-1)

/* ---- Errors ---- */

/* Why a function failed. There may be more in later versions. */
enum vmt_code {
    VMT_ERROR_NONE = 0,                   /* nothing has failed in this thread yet */
    VMT_ERROR_NULL = 1,                   /* NULL where there must be something */
    VMT_ERROR_ARGUMENT = 2,               /* an argument that is out of range */
    VMT_ERROR_SYNTAX = 3,                 /* no text of a signature or type */
    VMT_ERROR_UNKNOWN_TYPE = 4,           /* no name of a type */
    VMT_ERROR_TOO_MANY_PARAMS = 5,        /* more than 1024 */
    VMT_ERROR_TOO_MANY_RESULTS = 6,       /* more than 1000 */
    VMT_ERROR_RESULTS_NOT_IN_ABI = 7,     /* plain C has at most one result */
    VMT_ERROR_TYPE_NOT_IN_ABI = 8,        /* the convention cannot pass it */
    VMT_ERROR_VARIADIC_NOT_IN_ABI = 9,    /* the VM convention has no variadic functions */
    VMT_ERROR_VARIADIC_CALLBACK = 10,     /* a callback cannot be variadic */
    VMT_ERROR_ALIGNMENT_NOT_IN_ABI = 11,  /* a call cannot align the stack so */
    VMT_ERROR_UNPROMOTED = 12,            /* C promotes it in the variable part */
    VMT_ERROR_TOO_LARGE = 13,             /* values of more than 65520 bytes */
    VMT_ERROR_TOO_DEEP = 14,              /* nested more than 16 deep */
    VMT_ERROR_ARRAY_BY_VALUE = 15,        /* C passes the address: a ptr */
    VMT_ERROR_NOT_A_STRUCTURE = 16,       /* nor a union */
    VMT_ERROR_BAD_LENGTH = 17,            /* an array has 1 to 65535 elements */
    VMT_ERROR_BAD_ALIGNMENT = 18,         /* no power of two up to 4096 */
    VMT_ERROR_TYPE_NOT_IN_SLOT = 19,      /* v128 in the VM convention, slots of 8 bytes */
    VMT_ERROR_UNSUPPORTED_TARGET = 20,    /* the library has no assembly for it */
    VMT_ERROR_POOL_EXHAUSTED = 21,        /* no function pointer is left */
    VMT_ERROR_CALLBACKS_EXHAUSTED = 22,   /* no callback is left */
    VMT_ERROR_TOO_FEW_SLOTS = 23,         /* of a call, or bytes of them for a value */
    VMT_ERROR_OTHER = 99
};

/* Of the last function that failed in this thread: one line of up to 511 bytes, which
 * changes when the next one fails; a code; and, if a text was wrong, the offset of the
 * byte where it was, else VMT_NONE. */
const char *vmt_error(void);
int vmt_error_code(void);
size_t vmt_error_position(void);

/* ---- Types ---- */

/* The type of a value: a scalar, structure or union, or the type of a field. */
typedef struct vmt_type vmt_type;

enum vmt_kind {
    VMT_I32 = 0,
    VMT_I64 = 1,
    VMT_F32 = 2,
    VMT_F64 = 3,
    VMT_V128 = 4,
    VMT_FUNCREF = 5,
    VMT_EXTERNREF = 6,
    VMT_PTR = 7,
    VMT_BOOL = 8,
    VMT_I8 = 9,
    VMT_U8 = 10,
    VMT_I16 = 11,
    VMT_U16 = 12,
    VMT_U32 = 13,
    VMT_U64 = 14,
    VMT_I128 = 15,
    VMT_U128 = 16,
    VMT_LONGDOUBLE = 17,
    VMT_C32 = 18, /* float _Complex, and so on */
    VMT_C64 = 19,
    VMT_CLONGDOUBLE = 20,
    VMT_CHAR = 21,
    VMT_LONG = 22,
    VMT_ULONG = 23,
    VMT_SIZE = 24,
    VMT_SSIZE = 25,
    VMT_WCHAR = 26,
    VMT_STRUCTURE = 100,
    VMT_UNION = 101,
    VMT_ARRAY = 102
};

/* The type with this text:
 *
 *     types of C     bool char schar uchar short ushort int uint long ulong longlong
 *                    ulonglong size_t ssize_t ptrdiff_t intptr_t uintptr_t wchar_t
 *                    float double longdouble ptr (any pointer)
 *     by size        i8 u8 i16 u16 i32 u32 i64 u64 i128 u128 f32 f64 v128
 *     complex        c32 c64 clongdouble
 *     structures     {int, double}   union {int, float}   {[float; 3], ptr}
 *                    packed {char, double}   align(16) {float}
 *     WebAssembly    i32 i64 f32 f64 v128 funcref externref */
vmt_type *vmt_type_parse(const char *text);

/* Types made of others, which stay; `count` fields, or elements. Arrays are for fields
 * alone, as C passes their address. */
vmt_type *vmt_type_structure(const vmt_type *const *fields, size_t count);
vmt_type *vmt_type_union(const vmt_type *const *fields, size_t count);
vmt_type *vmt_type_array(const vmt_type *element, size_t count);

/* This structure or union with __attribute__((packed)), or ((aligned(alignment))). */
vmt_type *vmt_type_packed(const vmt_type *type);
vmt_type *vmt_type_aligned(const vmt_type *type, size_t alignment);

/* Only for types from the functions above, and once. Signatures made of it stay. */
void vmt_type_free(vmt_type *type);

/* An enum vmt_kind; -1 for NULL. */
int vmt_type_kind(const vmt_type *type);

/* What sizeof and alignof are on this machine. */
size_t vmt_type_size(const vmt_type *type);
size_t vmt_type_alignment(const vmt_type *type);

/* How many fields a structure or union has, or elements an array; the type of one,
 * which lives as long as `type` does; and its offset. */
size_t vmt_type_fields(const vmt_type *type);
const vmt_type *vmt_type_field(const vmt_type *type, size_t index);
size_t vmt_type_offset(const vmt_type *type, size_t index);

/* Writes the text of the type as snprintf would: at most `size` bytes, the last of them
 * 0. The result is the length of the whole text. */
size_t vmt_type_text(const vmt_type *type, char *buffer, size_t size);

/* ---- Signatures ---- */

/* The parameter and result types of a function. */
typedef struct vmt_signature vmt_signature;

/* "(type, ...) -> type", or without the arrow if nothing is returned; in the VM
 * convention also "-> (type, ...)". The signature of a call of a variadic function is
 * "(ptr, ...int, double) -> int": `...` stands before the arguments that its prototype
 * does not name. */
vmt_signature *vmt_signature_parse(const char *text);

/* A signature of these types, which stay. Of a variadic function, `named` parameters
 * precede the variable part; of others it is VMT_NONE. */
vmt_signature *vmt_signature_new(const vmt_type *const *params, size_t count, size_t named,
                                 const vmt_type *const *results, size_t results_count);

/* Once. What was made of the signature stays. */
void vmt_signature_free(vmt_signature *signature);

/* How many parameters and results there are, and how many parameters precede the
 * variable part: VMT_NONE if the function is not variadic. */
size_t vmt_signature_params(const vmt_signature *signature);
size_t vmt_signature_results(const vmt_signature *signature);
size_t vmt_signature_named(const vmt_signature *signature);

/* The type of one, which lives as long as the signature does. */
const vmt_type *vmt_signature_param(const vmt_signature *signature, size_t index);
const vmt_type *vmt_signature_result(const vmt_signature *signature, size_t index);

/* The shortest text of the signature; as vmt_type_text. */
size_t vmt_signature_text(const vmt_signature *signature, char *buffer, size_t size);

/* The name of a convention, such as "x86_64-sysv-c" or "aarch64-vm"; as vmt_type_text. They
 * are the same on every machine and are counted from 0: VMT_NONE if there are fewer. */
size_t vmt_convention(size_t index, char *buffer, size_t size);

/* Where every value goes under the convention of this name: a line for each, and a picture
 * of the stack at the call; as vmt_type_text. NULL is plain C of this machine. */
size_t vmt_signature_layout(const vmt_signature *signature, const char *convention,
                            char *buffer, size_t size);

/* ---- Slots ---- */

/* One value slot of 16 bytes. Arguments and the result share one array of slots: the
 * arguments lie there one after the other, each from the start of a slot on, and the
 * result replaces them from slot 0 on. Behind them a call may need scratch slots:
 * vmt_trampoline_slots counts all, vmt_trampoline_argument says where one begins.
 *
 * An interpreter may have slots of its own, of 8 bytes or of 16, aligned to 8.
 *
 * A scalar of up to 8 bytes takes one slot and begins it, little-endian on every
 * machine. Bytes above the value may be anything, uninitialised too: they are moved,
 * not looked at. Results are zero-extended to 8 bytes. An i32 or f32 argument stored as
 * 8 bytes is read faster: .u64 = (uint32_t)x.
 *
 * Anything larger, and every structure, union and complex number, is there as memcpy
 * puts it, and takes as many slots as its size needs: (size + slot_size - 1) / slot_size.
 * In slots of 16 bytes a long double takes one, a structure of 24 bytes two, an empty one
 * none. A v128 is little-endian.
 *
 * The members are for little-endian machines. vmt_slot_write and vmt_slot_read are for
 * all. */
typedef union vmt_slot {
    int8_t i8;
    uint8_t u8;
    int16_t i16;
    uint16_t u16;
    int32_t i32;
    uint32_t u32;
    int64_t i64;
    uint64_t u64;
    float f32;
    double f64;
    void *ptr;
    uint8_t v128[16];
} vmt_slot;

/* Writes a value of this type to a slot and those behind it, a scalar zero-extended,
 * and reads one. `value` points to the value as C has it in memory. From the slot on
 * there are `size` bytes of slots: if those are too few, nothing is written and the
 * result is 0, else 1. */
int vmt_slot_write(void *slot, size_t size, const vmt_type *type, const void *value);
int vmt_slot_read(const void *slot, size_t size, const vmt_type *type, void *value);

/* ---- To call native code ---- */

/* The address of a function, whatever its type. */
typedef void (*vmt_target)(void);

/* Calls C functions of one signature, which may have structures and be variadic. */
typedef struct vmt_trampoline vmt_trampoline;

/* Calls functions of one signature in the VM convention; value i is in slot i. */
typedef struct vmt_vm_trampoline vmt_vm_trampoline;

/* A trampoline for arrays of slots of this size, 8 or 16. */
vmt_trampoline *vmt_trampoline_new(const vmt_signature *signature, size_t slot_size);
vmt_vm_trampoline *vmt_vm_trampoline_new(const vmt_signature *signature, size_t slot_size);

/* The signature, as an object of its own. */
vmt_signature *vmt_trampoline_signature(const vmt_trampoline *trampoline);
vmt_signature *vmt_vm_trampoline_signature(const vmt_vm_trampoline *trampoline);

/* How many slots a call needs, scratch slots included. What those hold after a call is
 * unspecified. */
size_t vmt_trampoline_slots(const vmt_trampoline *trampoline);
size_t vmt_vm_trampoline_slots(const vmt_vm_trampoline *trampoline);

/* The index of the first slot of a parameter; with the number of parameters, that of the
 * first slot behind all of them. */
size_t vmt_trampoline_argument(const vmt_trampoline *trampoline, size_t index);
size_t vmt_vm_trampoline_argument(const vmt_vm_trampoline *trampoline, size_t index);

/* Calls the target with the arguments in the slots, which are aligned to 8, and replaces
 * them by the results. `count` is how many slots there are. If the call needs more, or
 * something is NULL that must not be, nothing is called and the result is 0, else 1.
 *
 * The target must have the signature of the trampoline. It may leave by longjmp, by a C++
 * exception, by pthread_exit or pthread_cancel, as nothing is held during a call. */
int vmt_call(const vmt_trampoline *trampoline, vmt_target target, void *slots, size_t count);
int vmt_vm_call(const vmt_vm_trampoline *trampoline, void *callee, void *caller,
                vmt_target target, void *slots, size_t count);

/* Once. */
void vmt_trampoline_free(vmt_trampoline *trampoline);
void vmt_vm_trampoline_free(vmt_vm_trampoline *trampoline);

/* ---- Function pointers that make calls ---- */

/* Calls the target as vmt_vm_call does, checks nothing, and needs no trampoline. It has
 * slots of 16 bytes. */
typedef void (*vmt_vm_pointer)(void *callee, void *caller, vmt_target target, void *slots);

/* A share of the function pointers that a program can make. Where a pool is asked for,
 * NULL is the shared one. */
typedef struct vmt_pool vmt_pool;

/* A pool of so many, which the shared one gives up. When it is freed, those that it has
 * left go back there. */
vmt_pool *vmt_pool_reserve(size_t pointers);
void vmt_pool_free(vmt_pool *pool);

/* How many can still be made. */
size_t vmt_pool_left(const vmt_pool *pool);

/* The function pointer of the trampoline's signature, from this pool if it is the first
 * one: the same signature always has the same. It is valid for ever. The trampoline has
 * slots of 16 bytes. */
vmt_vm_pointer vmt_vm_trampoline_pointer(const vmt_vm_trampoline *trampoline, const vmt_pool *pool);

/* ---- To be called by native code ---- */

/* A C function pointer made at run time. */
typedef struct vmt_callback vmt_callback;

/* What a callback calls. The arguments are in the slots, where a trampoline for slots of 16
 * bytes would want them, with every byte initialised; the result goes to slot 0 on. There
 * are `count` slots. It may be called by any thread, and again while it runs, and may
 * leave by what its callers can be left by: see vmt_call. */
typedef void (*vmt_function)(void *data, vmt_slot *slots, size_t count);

vmt_callback *vmt_callback_new(const vmt_signature *signature, vmt_function function, void *data);

/* The index of the slot in which a parameter begins; with the number of parameters, that of
 * the first slot behind all of them. */
size_t vmt_callback_argument(const vmt_signature *signature, size_t index);

/* The function pointer, to be cast to its C type. It is valid until the callback is
 * freed, which the callback's own function must not do. */
vmt_target vmt_callback_code(const vmt_callback *callback);

/* Once. */
void vmt_callback_free(vmt_callback *callback);

/* A function that native code calls in the VM convention: vmt_host_code with
 * vmt_host_context as the callee context. There may be any number. */
typedef struct vmt_host vmt_host;

/* As vmt_function, with the caller context. Value i is in slot i. */
typedef void (*vmt_vm_function)(void *data, void *caller, vmt_slot *slots, size_t count);

vmt_host *vmt_host_new(const vmt_signature *signature, vmt_vm_function function, void *data);
vmt_target vmt_host_code(const vmt_host *host);
void *vmt_host_context(const vmt_host *host);

/* Once, and not during a call. */
void vmt_host_free(vmt_host *host);

#ifdef __cplusplus
}
#endif

#endif
