/* vmtrampoline: call native code with signatures known only at run time.
 *
 *     vmt_signature *signature = vmt_signature_parse("(f64, f64) -> f64");
 *     vmt_trampoline *trampoline = vmt_trampoline_new(signature, sizeof(vmt_slot));
 *     if (!trampoline) { puts(vmt_error()); ... }
 *
 *     vmt_slot slots[2] = { { .f64 = 2 }, { .f64 = 10 } };
 *     vmt_call(trampoline, (vmt_target)pow, slots, 2);
 *     assert(slots[0].f64 == 1024);
 *
 * Nothing here changes after it is made, so threads may share it. A call allocates
 * nothing and takes no lock.
 */
#ifndef VMTRAMPOLINE_H
#define VMTRAMPOLINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One value slot of 16 bytes. Arguments and results share one array of slots:
 * argument i is in slot i before a call, result i after it.
 *
 * An interpreter may have slots of its own, of 8 bytes or of 16, aligned to 8, the
 * value at their start; slots of 8 bytes do for all types but v128. A scalar result
 * fills bytes 0..8 of its slot, i32 and f32 zero-extended, a v128 all 16; the rest
 * of the slots stays. Values are little-endian, on every machine.
 *
 * An i32 or f32 argument may be stored as 4 bytes. Stored as 8 it is read faster,
 * as the whole 8 are read: .u64 = (uint32_t)x. */
typedef union vmt_slot {
    int32_t i32;
    int64_t i64;
    uint64_t u64;
    float f32;
    double f64;
    uint8_t v128[16];
} vmt_slot;

/* The parameter and result types of a function. */
typedef struct vmt_signature vmt_signature;

/* Calls C functions of one signature: not variadic, no structures by value, at most
 * one result. Results of type char, short and bool leave the upper bits of their
 * i32 undefined. */
typedef struct vmt_trampoline vmt_trampoline;

/* Calls functions of one signature in the VM convention: that of Wasmtime 0.38 to
 * 8.0.1, with two contexts before the parameters and any number of results. */
typedef struct vmt_vm_trampoline vmt_vm_trampoline;

/* The address of a function, whatever its type. */
typedef void (*vmt_target)(void);

/* Why the last function that failed in this thread did so: one line. Valid until
 * the next one fails. */
const char *vmt_error(void);

/* "(type, ...) -> (type, ...)": i32, i64, f32, f64, v128, funcref, externref, and
 * ptr for i64. One result needs no parentheses, no results need no arrow. NULL if
 * the text is wrong: the error says where. */
vmt_signature *vmt_signature_parse(const char *text);

/* Trampolines made of the signature stay. NULL is ignored. */
void vmt_signature_free(vmt_signature *signature);

/* A trampoline for arrays of slots of this size, 8 or 16. NULL if it cannot be, and
 * the error says why. With NULL for the signature it is NULL, and the error stays
 * that of vmt_signature_parse. */
vmt_trampoline *vmt_trampoline_new(const vmt_signature *signature, size_t slot_size);
vmt_vm_trampoline *vmt_vm_trampoline_new(const vmt_signature *signature, size_t slot_size);

/* How many slots a call needs: max(parameters, results). */
size_t vmt_trampoline_slots(const vmt_trampoline *trampoline);
size_t vmt_vm_trampoline_slots(const vmt_vm_trampoline *trampoline);

/* Calls the target with the arguments in the slots and replaces them by the
 * results. `count` is how many slots there are; if the signature needs more, nothing
 * is called and the result is false.
 *
 * The target must have the signature of the trampoline. It may leave by longjmp,
 * as nothing is held during a call; an exception that leaves it ends the program. */
bool vmt_call(const vmt_trampoline *trampoline, vmt_target target, void *slots, size_t count);
bool vmt_vm_call(const vmt_vm_trampoline *trampoline, void *callee, void *caller,
                 vmt_target target, void *slots, size_t count);

/* NULL is ignored. */
void vmt_trampoline_free(vmt_trampoline *trampoline);
void vmt_vm_trampoline_free(vmt_vm_trampoline *trampoline);

#ifdef __cplusplus
}
#endif

#endif
