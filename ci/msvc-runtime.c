/* What a program for MSVC is linked with, beside import libraries: its start, and what it needs
   of Microsoft's static libraries, which are not to be had here. For ci/port, by clang. */

#pragma comment(lib, "kernel32")
#pragma comment(lib, "vcruntime140")
#pragma comment(lib, "ucrtbase")

typedef void *address;

__declspec(dllimport) void ExitProcess(unsigned code);
int main(int count, char **arguments);

/* Rust takes the arguments from the system. */
void mainCRTStartup(void)
{
    ExitProcess(main(0, 0));
}

/* That there are floats. */
int _fltused;

/* The class of C++'s types, which what a panic throws has to have. */
address type_info[2] __asm__("??_7type_info@@6B@");

/* Thread-local storage, and what is called when threads begin and end: the linker sorts sections
   of one name by what follows the `$`. */
#define SECTION(name) __attribute__((section(name), used))
unsigned _tls_index;
SECTION(".tls") char _tls_start = 0;
SECTION(".tls$ZZZ") char _tls_end = 0;
SECTION(".CRT$XLA") address callbacks = 0;
SECTION(".CRT$XLZ") address callbacks_end = 0;
SECTION(".rdata$T") const struct {
    address start, end, index, callbacks;
    unsigned zeroes, characteristics;
} _tls_used = { &_tls_start, &_tls_end, &_tls_index, &callbacks + 1, 0, 0 };

/* Touches the pages of a frame of rax bytes, and changes no register. */
__asm__(".globl __chkstk\n"
        ".def __chkstk; .scl 2; .type 32; .endef\n"
        "__chkstk:\n"
        "    pushq %rcx\n"
        "    pushq %rax\n"
        "    leaq 24(%rsp), %rcx\n"
        "1:  cmpq $4096, %rax\n"
        "    jb 2f\n"
        "    subq $4096, %rcx\n"
        "    testq %rcx, (%rcx)\n"
        "    subq $4096, %rax\n"
        "    jmp 1b\n"
        "2:  subq %rax, %rcx\n"
        "    testq %rcx, (%rcx)\n"
        "    popq %rax\n"
        "    popq %rcx\n"
        "    retq\n");
