// s390x. A liar's frame is a save area and 16 bytes of its own above it, and keeps
// r6 to r15 in its caller's.

liars! {
    ["stmg %r6, %r15, 48(%r15)", "lay %r15, -176(%r15)"] ["lmg %r6, %r15, 224(%r15)", "br %r14"]

    // E1
    never_calls Variable "()" ["/* not {body} */"] "called 0 times";
    calls_twice Bare "()" [
        "lgr %r7, %r4", "brasl %r14, {body}@PLT", "basr %r14, %r7"
    ] "called 2 times";
    misaligned Bare "()" [
        "aghi %r15, -4", "brasl %r14, {body}@PLT", "aghi %r15, 4"
    ] "stack pointer at the call";
    rounds Bare "()" [
        "efpc %r7", "lgr %r1, %r7", "xilf %r1, 2", "sfpc %r1", "brasl %r14, {body}@PLT", "sfpc %r7"
    ] "the target found changed: fpc";
    changes_callee Bare "()" ["aghi %r2, 1", "brasl %r14, {body}@PLT"] "context 0 in r2";
    changes_caller Bare "()" ["aghi %r3, 1", "brasl %r14, {body}@PLT"] "context 1 in r3";
    writes_before_reading ShortCut "(i32)" [
        "xi 0(%r5), 255", "brasl %r14, {body}@PLT"
    ] "p0 in r4";
    believes_flags ShortCut "(i32)" [
        "jno 1f", "xi 0(%r5), 255", "1:", "brasl %r14, {body}@PLT"
    ] "p0 in r4";
    believes_r0 ShortCut "(i32)" [
        "x %r0, 0(%r5)", "st %r0, 0(%r5)", "brasl %r14, {body}@PLT"
    ] "p0 in r4";
    does_not_reverse ShortCut "(i64)" [
        "lgr %r1, %r4", "lg %r4, 0(%r5)", "basr %r14, %r1", "/* not {body} */"
    ] "p0 in r4";
    does_not_extend_arguments ShortCut "(i32, i32)" [
        "lgr %r1, %r4", "lgr %r7, %r5",
        "lrv %r4, 0(%r7)", "llgfr %r4, %r4",
        "lrv %r5, 16(%r7)", "llgfr %r5, %r5",
        "basr %r14, %r1", "/* not {body} */"
    ] " in r";
    passes_floats_low ShortCut "(f32)" [
        "lgr %r1, %r4", "lrvg %r0, 0(%r5)", "ldgr %f0, %r0", "basr %r14, %r1", "/* not {body} */"
    ] "p0 in f0";
    mistakes_stack_word Fixed "(i64, i64, i64, i64)" [
        "mvc 48(8, %r5), 32(%r5)", "brasl %r14, {body}@PLT"
    ] "p3 in [sp+160]";
    // E2
    changes_result ShortCut "() -> i64" ["brasl %r14, {body}@PLT", "aghi %r2, 1"] "left in r2";
    changes_upper_half ShortCut "() -> i32" ["brasl %r14, {body}@PLT", "llgfr %r2, %r2"] "left in r2";
    changes_float ShortCut "() -> f64" ["brasl %r14, {body}@PLT", "lcdfr %f0, %f0"] "left in f0";
    writes_slot ShortCut "(i64) -> i64" [
        "lgr %r7, %r5", "brasl %r14, {body}@PLT", "stg %r2, 0(%r7)"
    ] "slot 0 afterwards";
    does_not_extend Variable "() -> (i32, i32)" [
        "lgr %r7, %r5", "brasl %r14, {body}@PLT", "xi 20(%r7), 255"
    ] "slot 1 afterwards";
    // E3
    writes_beyond Bare "()" ["xi 0(%r5), 255", "brasl %r14, {body}@PLT"] "slot 0 afterwards";
    writes_descriptor Bare "()" ["xi 0x20(%r6), 255", "brasl %r14, {body}@PLT"] "the descriptor";
    writes_above Bare "()" [
        "xi 348(%r15), 255", "brasl %r14, {body}@PLT"
    ] "lost: the caller's frame";
    relies_on_memory_below_r15 ShortCut "() -> i64" [
        "lghi %r0, 0", "stg %r0, -128(%r15)", "brasl %r14, {body}@PLT", "xg %r2, -128(%r15)"
    ] "left in r2";
    relies_on_r0 ShortCut "() -> i64" [
        "lghi %r0, 0", "brasl %r14, {body}@PLT", "xgr %r2, %r0"
    ] "left in r2";
    relies_on_r1 ShortCut "() -> i64" [
        "lghi %r1, 0", "brasl %r14, {body}@PLT", "xgr %r2, %r1"
    ] "left in r2";
    relies_on_f1 ShortCut "() -> i64" [
        "lzdr %f1", "brasl %r14, {body}@PLT", "lgdr %r1, %f1", "xgr %r2, %r1"
    ] "left in r2";
    relies_on_f2 ShortCut "() -> i64" [
        "lzdr %f2", "brasl %r14, {body}@PLT", "lgdr %r1, %f2", "xgr %r2, %r1"
    ] "left in r2";
    relies_on_f7 ShortCut "() -> i64" [
        "lzdr %f7", "brasl %r14, {body}@PLT", "lgdr %r1, %f7", "xgr %r2, %r1"
    ] "left in r2";
    // E4
    loses_fpc Bare "()" [
        "brasl %r14, {body}@PLT", "efpc %r1", "xilf %r1, 2", "sfpc %r1"
    ] "lost: fpc";
    loses_r6 Bare "()" ["brasl %r14, {body}@PLT", "xi 224(%r15), 255"] "lost: r6";
    loses_r7 Bare "()" ["brasl %r14, {body}@PLT", "xi 232(%r15), 255"] "lost: r7";
    loses_r8 Bare "()" ["brasl %r14, {body}@PLT", "xi 240(%r15), 255"] "lost: r8";
    loses_r9 Bare "()" ["brasl %r14, {body}@PLT", "xi 248(%r15), 255"] "lost: r9";
    loses_r10 Bare "()" ["brasl %r14, {body}@PLT", "xi 256(%r15), 255"] "lost: r10";
    loses_r11 Bare "()" ["brasl %r14, {body}@PLT", "xi 264(%r15), 255"] "lost: r11";
    loses_r12 Bare "()" ["brasl %r14, {body}@PLT", "xi 272(%r15), 255"] "lost: r12";
    loses_r13 Bare "()" ["brasl %r14, {body}@PLT", "xi 280(%r15), 255"] "lost: r13";
    loses_r15 Bare "()" ["brasl %r14, {body}@PLT", "xi 303(%r15), 8"] "lost: r15";
    // E12, of `leavable`: the landing place is the sixth argument
    leavable_never_calls Leavable "()" ["/* not {body} */"] "called 0 times";
    leavable_changes_result Leavable "() -> i64" [
        "mvc 160(8, %r15), 336(%r15)", "brasl %r14, {body}@PLT", "aghi %r2, 1"
    ] "left in r2";
    leavable_stays_live Leavable "()" [
        "mvc 160(8, %r15), 336(%r15)", "brasl %r14, {body}@PLT",
        "lg %r1, 336(%r15)", "stg %r15, 0(%r1)"
    ] "the landing place is not as it was";
    // E13
    leavable_says_returned Leavable "()" [
        "mvc 160(8, %r15), 336(%r15)", "brasl %r14, {body}@PLT",
        "lg %r1, 336(%r15)", "mvghi 0(%r1), 0"
    ] "says that the call has returned";
    leavable_loses_r7 Leavable "()" [
        "mvc 160(8, %r15), 336(%r15)", "brasl %r14, {body}@PLT", "xi 232(%r15), 255"
    ] "lost: r7";
    // E13, of `landed`: a liar changes its frame, which is 176 bytes above
    landed_loses_f15 Landed "()" [
        "mvghi 392(%r15), 0", "la %r15, 176(%r15)", "jg {body}@PLT"
    ] "lost: f15";
    landed_loses_fpc Landed "()" [
        "mvghi 400(%r15), 0", "la %r15, 176(%r15)", "jg {body}@PLT"
    ] "lost: fpc";
    // E8, of `host`: the context is in r2, the caller in r3
    host_never_calls Host "()" ["/* not {body} */"] "the number of calls is 0x0";
    host_calls_twice Host "()" [
        "lgr %r7, %r2", "brasl %r14, {body}@PLT", "lgr %r2, %r7", "brasl %r14, {body}@PLT"
    ] "the number of calls is 0x2";
    host_changes_caller Host "()" ["aghi %r3, 1", "brasl %r14, {body}@PLT"] "the caller context";
    host_changes_argument Host "(i64) -> i64" ["aghi %r4, 1", "brasl %r14, {body}@PLT"] "result 0";
    // E9
    host_changes_result Host "(i64) -> i64" ["brasl %r14, {body}@PLT", "aghi %r2, 1"] "result 0";
    host_changes_float Host "(i64) -> f64" ["brasl %r14, {body}@PLT", "lcdfr %f0, %f0"] "result 0";
    host_changes_area Host "(i64, i64) -> (i64, i64)" [
        "lgr %r7, %r6", "brasl %r14, {body}@PLT", "xi 7(%r7), 255"
    ] "byte 7 of the return area";
    // E10
    host_writes_context Host "()" [
        "xi 0(%r2), 255", "brasl %r14, {body}@PLT"
    ] "a change of the context";
    host_writes_above Host "()" [
        "xi 348(%r15), 255", "brasl %r14, {body}@PLT"
    ] "lost: the caller's frame";
    host_relies_on_r1 Host "(i64) -> i64" [
        "lghi %r1, 0", "brasl %r14, {body}@PLT", "xgr %r2, %r1"
    ] "result 0";
    // E4
    host_loses_r6 Host "()" ["brasl %r14, {body}@PLT", "xi 224(%r15), 255"] "lost: r6";
    host_loses_r13 Host "()" ["brasl %r14, {body}@PLT", "xi 280(%r15), 255"] "lost: r13";
    host_loses_fpc Host "()" [
        "brasl %r14, {body}@PLT", "efpc %r1", "xilf %r1, 2", "sfpc %r1"
    ] "lost: fpc";
    host_loses_r15 Host "()" ["brasl %r14, {body}@PLT", "xi 303(%r15), 8"] "lost: r15";
}

losers! {
    ["stmg %r6, %r15, 48(%r15)", "lay %r15, -176(%r15)"]
    ["lmg %r6, %r15, 224(%r15)", "br %r14"]
    loses Bare ["brasl %r14, {body}@PLT", "lcdfr %\\r, %\\r"] [f8 f9 f10 f11 f12 f13 f14 f15];
    host_loses Host ["brasl %r14, {body}@PLT", "lcdfr %\\r, %\\r"] [f8];
}

deadly! {
    ["br %r4"]
    reads_before_slots "icy %r0, -1(%r5)";
    reads_after_slots "ic %r0, 0(%r5)";
    reads_before_descriptor "icy %r0, -1(%r6)";
    reads_after_descriptor "ic %r0, 0x40(%r6)";
}
