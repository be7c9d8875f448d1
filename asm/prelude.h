// What every port begins with: function brackets, symbol names, and the notes
// that an object must carry.
//
// Including this file promises, for the whole object:
//   - the stack is not executable (ELF);
//   - on x86-64, every function starts with endbr64 and is neutral to shadow
//     stacks, and the object says so (IBT, SHSTK; ELF);
//   - on aarch64, the same with bti c (BTI, GCS).
// The linker drops such a promise for the whole program if one object lacks it.

#include "descriptor.h"

#define PASTE2(a, b) a##b
#define PASTE(a, b) PASTE2(a, b)
// A global symbol: the platform's prefix, the crate and its version, the name. (Where the
// platform has none, __USER_LABEL_PREFIX__ is empty, which C90 takes for no argument.)
#if defined(__APPLE__)
#define SYMBOL(name) PASTE(__USER_LABEL_PREFIX__, PASTE(SYMBOL_PREFIX, name))
#else
#define SYMBOL(name) PASTE(SYMBOL_PREFIX, name)
#endif

// A function that only this library sees, with its landing pad. Brackets, not
// #defines: `;` does not separate statements in every assembler.
#define FUNCTION(name) BEGIN_FUNCTION SYMBOL(name)
#define END_FUNCTION(name) FINISH_FUNCTION SYMBOL(name)
// Many small functions under one name and one unwinding entry. Each begins with
// its own LANDING_PAD.
#define FUNCTIONS(name) BEGIN_FUNCTIONS SYMBOL(name)
// One more name for the function that follows at once, with that one's landing pad
// and unwinding entry. An entry of its own would be empty, and some linkers let an
// empty entry hide the one that begins at the same address.
#define ALIAS(name) NAME_FUNCTION SYMBOL(name)
// Zeroed memory that only this library sees, aligned to 8.
#define ZEROED(name, size) RESERVE SYMBOL(name), size

// What unwinders are told: `cfi` where they go by DWARF, `seh` where they go by
// Windows' unwind data.
.macro cfi directive:vararg
#if !defined(_WIN32)
    .cfi_\directive
#endif
.endm

.macro seh directive:vararg
#if defined(_WIN32)
    .seh_\directive
#endif
.endm

.macro LANDING_PAD
#if defined(__x86_64__)
    endbr64
#elif defined(__aarch64__)
    hint #34                // bti c, for every assembler
#endif
.endm

.macro BEGIN_SYMBOL symbol
    .globl \symbol
#if defined(__ELF__)
    .hidden \symbol
#elif defined(__APPLE__)
    .private_extern \symbol
#endif
.endm

.macro NAME_FUNCTION symbol
    BEGIN_SYMBOL \symbol
#if defined(__ELF__)
    .type \symbol, %function
#elif defined(_WIN32)
    .def \symbol; .scl 2; .type 32; .endef
#endif
\symbol:
.endm

.macro BEGIN_FUNCTIONS symbol
    NAME_FUNCTION \symbol
    seh     proc \symbol
    cfi     startproc
#if defined(__APPLE__) && defined(__x86_64__)
    // Does nothing. Otherwise a frame record alone would become a compact encoding,
    // by which an unwinder goes wrong at the first instructions.
    cfi     escape 0
#endif
.endm

.macro BEGIN_FUNCTION symbol
    BEGIN_FUNCTIONS \symbol
    LANDING_PAD
#if defined(__aarch64__)
    seh     nop
#endif
.endm

.macro FINISH_FUNCTION symbol
    cfi     endproc
#if defined(__ELF__)
    .size \symbol, . - \symbol
#endif
    seh     endproc
.endm

.macro RESERVE symbol, size
    BEGIN_SYMBOL \symbol
#if defined(__ELF__)
    .pushsection .bss.\symbol, "aw", %nobits
    .balign 8
    .type \symbol, %object
\symbol:
    .zero \size
    .size \symbol, \size
    .popsection
#elif defined(__APPLE__)
    .zerofill __DATA, __bss, \symbol, \size, 3
#elif defined(_WIN32)
    .bss
    .balign 8
\symbol:
    .zero \size
#endif
.endm

#if defined(__ELF__)
    .pushsection .note.GNU-stack, "", %progbits
    .popsection
#endif

#if defined(__x86_64__)
#define FEATURES 0xc0000002 // GNU_PROPERTY_X86_FEATURE_1_AND
#define PROMISED 3          // IBT, SHSTK
#elif defined(__aarch64__)
#define FEATURES 0xc0000000 // GNU_PROPERTY_AARCH64_FEATURE_1_AND
#define PROMISED 5          // BTI, GCS
#endif

#if defined(__ELF__) && defined(FEATURES)
    .pushsection .note.gnu.property, "a"
    .balign 8
    .long 4                 // length of the name
    .long 16                // length of the description
    .long 5                 // NT_GNU_PROPERTY_TYPE_0
    .asciz "GNU"
    .long FEATURES
    .long 4                 // length of the value
    .long PROMISED
    .long 0                 // padding
    .popsection
#endif
