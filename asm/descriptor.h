// What the assembly knows of descriptors, contexts and thunks. src/encode/constants.rs reads
//     #define NAME value
// from this file at compile time, and no other lines. Rust takes its limits from here. It does
// not compile if an offset is not that of its field.

// Offsets in bytes of the header's fields.
#define D_INTEGER 0x00
#define D_FLOAT 0x10
#define D_RESULT_MASK 0x20
#define D_STACK_WORDS 0x28
#define D_SPILLS 0x2a
#define D_RETURN_AREA 0x2c
#define D_RETURN_WORD 0x2e
#define D_SLOTS 0x30
#define D_HIDDEN 0x32
#define D_SIGNATURE 0x34
#define D_COPIES 0x36
#define D_RETURN_REGISTER 0x38
#define D_FLOATS 0x39
#define D_RESULT 0x3a
#define D_SHAPE 0x3b
#define D_STRIDE 0x3c
#define D_CONTEXTS 0x3d
#define D_ENTRY 0x3e
#define D_RETURNS 0x3f
// The lists follow: stack words, then spills, both of 16-bit entries.
#define D_LISTS 0x40

// The mark of a value of four bytes, added to the offset of its slot, where the convention
// says how such a value fills its register or stack slot.
#define NARROW 1

// D_FLOATS: how many vector registers are loaded at least. FLOATS_VECTORS: these may carry
// vectors, and have 16 bytes each; FLOATS_SOME_VECTORS: the same, but only the first
// FLOATS_SOME carry anything. SOME_NARROW is added if some entry has NARROW.
#define FLOATS_SOME 4
#define FLOATS_ALL 8
#define FLOATS_SOME_VECTORS 12
#define FLOATS_VECTORS 16
#define SOME_NARROW 128

// D_RESULT: the kind of result 0, as a bit.
#define RESULT_NONE 0
#define RESULT_INTEGER 1
#define RESULT_FLOAT 2
#define RESULT_VECTOR 4
#define RESULT_X87 8
#define RESULT_X87_PAIR 16

// An entry of the spills: offset in the return area plus one of these, for the width
// of the value.
#define SPILL_8 0
#define SPILL_4 1
#define SPILL_16 2

// D_SHAPE: that of `short_cut`.
#define SHAPE_SHORT_CUT 1

// The number of stack words is a multiple of this.
#define GROUP 4

// Where vectors have registers of their own and one carries a parameter, the list of stack
// words begins with so many words for these registers, two for each.
#define VECTOR_WORDS 16

// How many stack words the fixed frame has room for.
#define FIXED_WORDS 8

// The pool of function pointers: how many there are, and how much code a thunk is. So many
// bytes before the descriptor lie the address that the thunk jumps to (CALL_BEFORE) and
// that of the body (BODY_BEFORE).
#define POINTERS 4096
#define THUNK_SIZE_X86_64 16
#define THUNK_SIZE_AARCH64 32
#define THUNK_SIZE_RISCV64 16
#define THUNK_SIZE_S390X 16
#define CALL_BEFORE 8
#define BODY_BEFORE 16

// A landing place, where a call that can be left goes on: offsets in bytes of its fields.
#define L_SP 0x00
#define L_BODY 0x08
#define L_WORD 0x10

// The other direction: offsets in bytes of a context's fields. The first two
// are those of Wasmtime's VMHostFuncContext.
#define H_MAGIC 0x00
#define H_CODE 0x08
#define H_FUNCTION 0x10
#define H_DATA 0x18
#define H_LISTS 0x20
#define H_SCATTER 0x28

// Offsets of the scatter's fields, from the context.
#define H_INTEGER 0x28
#define H_SLOTS 0x38
#define H_FRAME 0x3a
#define H_STACK_WORDS 0x3c
#define H_SPILLS 0x3e
#define H_MORE 0x40
#define H_FLOAT 0x42
#define H_FLOATS 0x52
#define H_MASKED 0x54
#define H_MASKS 0x58

// H_MASKS: for each integer argument register of C on x86-64 System V, which bits are its value;
// H_MASKED: whether they are not all.

// H_MORE: what more there is to do, as bits, in this order. There is more to return than
// eight bytes in a register. Where the convention wants to know: result 0 has four bytes;
// vector registers carry something. The result of a C function comes back in several
// registers of one class; in an integer and a float register; in one x87 register; in
// two.
#define MORE_RESULTS 1
#define MORE_NARROW 2
#define MORE_VECTORS 4
#define MORE_PAIR 8
#define MORE_BOTH 16
#define MORE_X87 32
#define MORE_X87_PAIR 64

// The most bytes from slot 0 on that registers are loaded from, if a result of C comes
// back in several.
#define IMAGE_SIZE 64

// The number of stack words is a multiple of this.
#define H_GROUP 2

// H_FLOATS: more vector registers than this are seldom.
#define FLOATS_FEW 2

// How many slots the small frame has room for.
#define SMALL_SLOTS 16
// Bytes after the slots, for registers and words that carry nothing.
#define SCRATCH_SIZE 16

// The pool of callbacks: how many there are, and how much code a thunk is.
#define CALLBACKS 1024
#define CALLBACK_SIZE_X86_64 16
#define CALLBACK_SIZE_AARCH64 32
#define CALLBACK_SIZE_RISCV64 16
#define CALLBACK_SIZE_S390X 32
// The block of their thunks that is mapped again: a multiple of every page size.
#define BLOCK_SIZE 0x10000
