int user_check(void);
int main(void) { return user_check(); }
