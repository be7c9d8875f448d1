fn main() {
    let s: vmtrampoline::Signature = "(i32, i32) -> i32".parse().unwrap();
    let c = oracle::cranelift::Compiled::new([&s, &s]);
    println!("{:x?}", c.machine_code(0));
}
