// Where the standard library is not, a program that never unwinds has this function itself:
// the libraries' code was compiled as if they could.
void rust_eh_personality(void) {}

typedef int (*function)(void);
function one_callback(int), two_callback(int);

int main(void) {
    function one = one_callback(1), two = two_callback(2);
    return one() != 1 || two() != 2;
}
