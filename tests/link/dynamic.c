#include <dlfcn.h>
int main(int argc, char **argv) {
    void *library = dlopen(argv[1], RTLD_NOW);
    int (*check)(void) = library ? (int (*)(void))dlsym(library, "user_check") : 0;
    return argc == 2 && check ? check() : 1;
}
