/* vmtrampoline: calls native code, and lets native code call functions of the program, with
 * signatures known only at run time.
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
 * Objects are opaque. Only a vmt_landing ever changes, so threads may share all others. A
 * call allocates nothing and takes no lock. Free each object once. Objects that were made
 * from it stay valid. Freeing NULL does nothing.
 *
 * Names that begin with vmt_vm_, vmt_pool_ and vmt_host_ are for the VM convention, that of
 * Wasmtime 0.38 to 8.0.1: two contexts precede the parameters, and a function has any number
 * of results. It has the types of WebAssembly, and ptr. All other names are for plain C.
 *
 * A function that fails returns NULL, 0 or VMT_NONE, and vmt_error says why. A function
 * that is given NULL for an object, alone or in an array, fails, too, but leaves vmt_error as
 * it is. So in a chain of calls, vmt_error tells the first failure. */
#ifndef VMTRAMPOLINE_H
#define VMTRAMPOLINE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The result of a function that returns a size_t and fails. */
#define VMT_NONE ((size_t)-1)

/* ---- Errors ---- */

/* Why a function failed. Later versions may have more codes. */
enum vmt_code {
    VMT_ERROR_NONE = 0,                   /* nothing has failed in this thread yet */
    VMT_ERROR_NULL = 1,                   /* NULL where the function needs a value */
    VMT_ERROR_ARGUMENT = 2,               /* an argument that is out of range */
    VMT_ERROR_SYNTAX = 3,                 /* a text that is no signature or type */
    VMT_ERROR_UNKNOWN_TYPE = 4,           /* a name that is no type */
    VMT_ERROR_TOO_MANY_PARAMS = 5,        /* more than 1024 */
    VMT_ERROR_TOO_MANY_RESULTS = 6,       /* more than 1000 */
    VMT_ERROR_RESULTS_NOT_IN_ABI = 7,     /* plain C has at most one result */
    VMT_ERROR_TYPE_NOT_IN_ABI = 8,        /* the convention cannot pass it */
    VMT_ERROR_VARIADIC_NOT_IN_ABI = 9,    /* the VM convention has no variadic functions */
    VMT_ERROR_VARIADIC_CALLBACK = 10,     /* a callback cannot be variadic */
    VMT_ERROR_ALIGNMENT_NOT_IN_ABI = 11,  /* a call cannot align the stack that much */
    VMT_ERROR_UNPROMOTED = 12,            /* C promotes it in the variable part */
    VMT_ERROR_TOO_LARGE = 13,             /* values of more than 65520 bytes */
    VMT_ERROR_TOO_DEEP = 14,              /* nested more than 16 deep */
    VMT_ERROR_ARRAY_BY_VALUE = 15,        /* C passes the address: a ptr */
    VMT_ERROR_NOT_A_STRUCTURE = 16,       /* neither a structure nor a union */
    VMT_ERROR_BAD_LENGTH = 17,            /* an array has 1 to 65535 elements */
    VMT_ERROR_BAD_ALIGNMENT = 18,         /* not a power of two up to 4096 */
    VMT_ERROR_TYPE_NOT_IN_SLOT = 19,      /* v128 in the VM convention, slots of 8 bytes */
    VMT_ERROR_UNSUPPORTED_TARGET = 20,    /* the library has no assembly for it */
    VMT_ERROR_POOL_EXHAUSTED = 21,        /* no function pointer is left */
    VMT_ERROR_CALLBACKS_EXHAUSTED = 22,   /* no callback is left */
    VMT_ERROR_TOO_FEW_SLOTS = 23,         /* for a call, or for a value */
    VMT_ERROR_LANDING_IN_USE = 24,        /* another call uses it */
    VMT_ERROR_OTHER = 99
};

/* About the last function that failed in this thread: a line of up to 511 bytes, which the
 * next failure changes; an enum vmt_code; and, if a text was wrong, the offset of the wrong
 * byte, otherwise VMT_NONE. */
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

/* Types made of other types: a structure or union of `count` fields, an array of `count`
 * elements. Only a field can be an array, as C passes its address. */
vmt_type *vmt_type_structure(const vmt_type *const *fields, size_t count);
vmt_type *vmt_type_union(const vmt_type *const *fields, size_t count);
vmt_type *vmt_type_array(const vmt_type *element, size_t count);

/* This structure or union with __attribute__((packed)), or ((aligned(alignment))). */
vmt_type *vmt_type_packed(const vmt_type *type);
vmt_type *vmt_type_aligned(const vmt_type *type, size_t alignment);

/* Only for types from the functions above. */
void vmt_type_free(vmt_type *type);

/* An enum vmt_kind; -1 for NULL. */
int vmt_type_kind(const vmt_type *type);

/* What sizeof and alignof are on this machine. */
size_t vmt_type_size(const vmt_type *type);
size_t vmt_type_alignment(const vmt_type *type);

/* How many fields a structure or union has, or how many elements an array; the type of one,
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

/* A signature of these types. If the function is variadic, `named` parameters precede the
 * variable part; otherwise `named` is VMT_NONE. */
vmt_signature *vmt_signature_new(const vmt_type *const *params, size_t count, size_t named,
                                 const vmt_type *const *results, size_t results_count);

void vmt_signature_free(vmt_signature *signature);

/* How many parameters there are, how many results, and how many parameters precede the
 * variable part. The last is VMT_NONE if the function is not variadic. */
size_t vmt_signature_params(const vmt_signature *signature);
size_t vmt_signature_results(const vmt_signature *signature);
size_t vmt_signature_named(const vmt_signature *signature);

/* The type of a parameter or result, which lives as long as the signature does. */
const vmt_type *vmt_signature_param(const vmt_signature *signature, size_t index);
const vmt_type *vmt_signature_result(const vmt_signature *signature, size_t index);

/* Writes the shortest text of the signature, as vmt_type_text does. */
size_t vmt_signature_text(const vmt_signature *signature, char *buffer, size_t size);

/* Writes the name of a convention, such as "x86_64-sysv-c" or "aarch64-vm", as vmt_type_text
 * does. Conventions are counted from 0, and are the same on every machine. The result is
 * VMT_NONE if there are fewer. */
size_t vmt_convention(size_t index, char *buffer, size_t size);

/* Writes where every value goes under the convention of this name, as vmt_type_text does: a
 * line for each value, and a picture of the stack at the call. NULL is plain C of this
 * machine. */
size_t vmt_signature_layout(const vmt_signature *signature, const char *convention,
                            char *buffer, size_t size);

/* ---- Slots ---- */

/* One value slot of 16 bytes. Arguments and result share one array of slots. The arguments
 * lie there one after the other, each from the start of a slot on. The result replaces them
 * from slot 0 on. Some calls need scratch slots behind them. vmt_trampoline_slots counts
 * all slots, and vmt_trampoline_argument says where an argument begins.
 *
 * An interpreter may have slots of its own, of 8 or 16 bytes, aligned to 8.
 *
 * A scalar of up to 8 bytes takes one slot. It lies at the start of the slot, little-endian
 * on every machine. The bytes above it may be anything, even uninitialised: a call moves
 * them, but does not look at them. Results are zero-extended to 8 bytes. A call reads an i32
 * or f32 argument faster if it was stored as 8 bytes: .u64 = (uint32_t)x.
 *
 * Larger values, and all structures, unions and complex numbers, lie there as memcpy puts
 * them. They take as many slots as they need: (size + slot_size - 1) / slot_size. In slots of
 * 16 bytes, a long double takes one, a structure of 24 bytes two, an empty structure none. A
 * v128 is little-endian.
 *
 * The members are for little-endian machines. vmt_slot_write and vmt_slot_read are for
 * all machines. */
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

/* Write or read a value of this type, from this slot on. `value` points to the value as C has
 * it in memory. A scalar is zero-extended in its slot. There are `size` bytes of slots from
 * `slot` on. If they are too few, nothing is written and the result is 0, otherwise 1. */
int vmt_slot_write(void *slot, size_t size, const vmt_type *type, const void *value);
int vmt_slot_read(const void *slot, size_t size, const vmt_type *type, void *value);

/* ---- Calls of native code ---- */

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

/* How many slots a call needs, scratch slots included. The contents of scratch slots after a
 * call are unspecified. */
size_t vmt_trampoline_slots(const vmt_trampoline *trampoline);
size_t vmt_vm_trampoline_slots(const vmt_vm_trampoline *trampoline);

/* The index of the first slot of a parameter. For the number of parameters, it is the first
 * slot behind all of them. */
size_t vmt_trampoline_argument(const vmt_trampoline *trampoline, size_t index);
size_t vmt_vm_trampoline_argument(const vmt_vm_trampoline *trampoline, size_t index);

/* Calls the target with the arguments in `count` slots, which are aligned to 8, and replaces
 * them by the results. The result is 1. If the call needs more slots, or an argument is NULL
 * that must not be, nothing is called and the result is 0.
 *
 * The target must have the signature of the trampoline. It may leave by longjmp, by a C++
 * exception, by pthread_exit or pthread_cancel, as a call holds nothing. */
int vmt_call(const vmt_trampoline *trampoline, vmt_target target, void *slots, size_t count);
int vmt_vm_call(const vmt_vm_trampoline *trampoline, void *callee, void *caller,
                vmt_target target, void *slots, size_t count);

void vmt_trampoline_free(vmt_trampoline *trampoline);
void vmt_vm_trampoline_free(vmt_vm_trampoline *trampoline);

/* ---- Calls that can be left ---- */

/* A place that a call can be left for: code deep below the call is back at it at once. All
 * frames between vanish as by longjmp. A frame that holds a lock or memory, or that has a
 * destructor, must not be between. A trampoline, callback or host function may be.
 *
 * A landing changes: it serves one call at a time, and belongs to the thread of that call. A
 * call inside it that can be left has a landing of its own. */
typedef struct vmt_landing vmt_landing;

vmt_landing *vmt_landing_new(void);

/* How a call ended. */
enum vmt_outcome { VMT_RETURNED = 1, VMT_LEFT = 2 };

/* As vmt_call and vmt_vm_call. The result is 0 or an enum vmt_outcome. If the call was left,
 * `word`, which may be NULL, gets the word of vmt_leave, and the slots hold what they held at
 * that moment. */
int vmt_call_leavable(const vmt_trampoline *trampoline, vmt_target target, void *slots,
                      size_t count, vmt_landing *landing, size_t *word);
int vmt_vm_call_leavable(const vmt_vm_trampoline *trampoline, void *callee, void *caller,
                         vmt_target target, void *slots, size_t count, vmt_landing *landing,
                         size_t *word);

/* Leaves the call of this thread that uses the landing. It does not return. If no call uses
 * the landing, the process aborts with a message. */
void vmt_leave(vmt_landing *landing, size_t word);

/* For a signal handler: where the code that it has interrupted goes on to leave the call. The
 * handler writes both to the context that the kernel gave it, and returns. If no call uses
 * the landing, the result is 0, else 1. Ask only if the call is to be left. */
int vmt_landing_destination(vmt_landing *landing, size_t word, uintptr_t *pc, uintptr_t *sp);

/* Must not be called during a call that uses the landing. */
void vmt_landing_free(vmt_landing *landing);

/* ---- Function pointers that make calls ---- */

/* Calls the target as vmt_vm_call does, with slots of 16 bytes, without a check and without
 * a trampoline. */
typedef void (*vmt_vm_pointer)(void *callee, void *caller, vmt_target target, void *slots);

/* A share of the function pointers that a program can make. NULL is the shared pool. */
typedef struct vmt_pool vmt_pool;

/* A pool of so many pointers, which the shared pool gives up. Freeing it gives back those
 * that it has left. */
vmt_pool *vmt_pool_reserve(size_t pointers);
void vmt_pool_free(vmt_pool *pool);

/* How many pointers the pool has left. */
size_t vmt_pool_left(const vmt_pool *pool);

/* The function pointer of the trampoline's signature. A signature always has the same
 * pointer, which is valid for ever. If it has none yet, one is taken from this pool. The
 * trampoline has slots of 16 bytes. */
vmt_vm_pointer vmt_vm_trampoline_pointer(const vmt_vm_trampoline *trampoline, const vmt_pool *pool);

/* ---- Calls by native code ---- */

/* A C function pointer made at run time. */
typedef struct vmt_callback vmt_callback;

/* The function of a callback. The arguments lie in `count` slots as for a trampoline with
 * slots of 16 bytes, and every byte of a slot is initialised. The function writes the result
 * from slot 0 on. Any thread may call it, also while it runs. It may leave in every way that
 * its callers allow: see vmt_call. */
typedef void (*vmt_function)(void *data, vmt_slot *slots, size_t count);

vmt_callback *vmt_callback_new(const vmt_signature *signature, vmt_function function, void *data);

/* A callback of the thread that makes it. A call in another thread aborts the process with a
 * message, and does not reach the function. After the thread has ended, no thread may call
 * it. */
vmt_callback *vmt_callback_new_local(const vmt_signature *signature, vmt_function function,
                                     void *data);

/* The index of the first slot of a parameter. For the number of parameters, it is the first
 * slot behind all of them. */
size_t vmt_callback_argument(const vmt_signature *signature, size_t index);

/* The function pointer, to be cast to its C type. It is valid until the callback is
 * freed. The callback's own function must not free it. */
vmt_target vmt_callback_code(const vmt_callback *callback);

void vmt_callback_free(vmt_callback *callback);

/* A function that native code calls in the VM convention: it calls vmt_host_code with
 * vmt_host_context as the callee context. There may be any number. */
typedef struct vmt_host vmt_host;

/* As vmt_function, with the caller context. Value i is in slot i. */
typedef void (*vmt_vm_function)(void *data, void *caller, vmt_slot *slots, size_t count);

vmt_host *vmt_host_new(const vmt_signature *signature, vmt_vm_function function, void *data);
vmt_target vmt_host_code(const vmt_host *host);
void *vmt_host_context(const vmt_host *host);

/* Must not be called during a call of the function. */
void vmt_host_free(vmt_host *host);

#ifdef __cplusplus
}
#endif

#endif
