fn main() {
    std::process::exit(user::user_check());
}
