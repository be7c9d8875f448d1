//! Makes a function pointer, and so has thunks and a table.

fn main() {
    user::user_check();
    let trampoline = this::Trampoline::new(&"(i32) -> i32".parse().unwrap()).unwrap();
    println!("{:?}", trampoline.pointer().unwrap());
}
