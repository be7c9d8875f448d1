use oracle::{differential, random::fresh_seed, spec, subject::{Lie, Subject}};
fn main() {
    let r = spec::run(&Subject::vm);
    println!("{r}");
    let r = differential::run(&Subject::vm, fresh_seed(), 2000);
    println!("{r}");
    for lie in Lie::ALL {
        let make = move |s: &_| Subject::vm(s).lying(Some(lie));
        println!("{lie:?}\n{}", spec::run(&make));
        println!("{}", differential::run(&make, fresh_seed(), 200));
    }
}
