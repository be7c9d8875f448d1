// 64-bit Arm. A liar's frame has x29 and x30 at sp, and 16 bytes of its own above.

liars! {
    ["stp x29, x30, [sp, #-32]!"] ["ldp x29, x30, [sp], #32", "ret"]

    // E1
    never_calls Variable "()" ["/* not {body} */"] "called 0 times";
    calls_twice Bare "()" [
        "str x2, [sp, #16]", "bl {body}", "ldr x16, [sp, #16]", "blr x16"
    ] "called 2 times";
    misaligned Bare "()" [
        "sub sp, sp, #8", "bl {body}", "add sp, sp, #8"
    ] "stack pointer at the call";
    rounds Bare "()" [
        "mrs x9, fpcr", "str x9, [sp, #16]", "eor x9, x9, #0x400000", "msr fpcr, x9",
        "bl {body}",
        "ldr x9, [sp, #16]", "msr fpcr, x9"
    ] "the target found changed: fpcr";
    changes_callee Bare "()" ["add x0, x0, #1", "bl {body}"] "context 0 in x0";
    changes_caller Bare "()" ["add x1, x1, #1", "bl {body}"] "context 1 in x1";
    writes_before_reading ShortCut "(i32)" [
        "ldrb w9, [x3]", "mvn w9, w9", "strb w9, [x3]", "bl {body}"
    ] "p0 in x2";
    believes_flags ShortCut "(i32)" [
        "ldr w9, [x3]", "cinc w9, w9, cs", "str w9, [x3]", "bl {body}"
    ] "p0 in x2";
    believes_x10 ShortCut "(i32)" [
        "ldr w9, [x3]", "add w9, w9, w10", "str w9, [x3]", "bl {body}"
    ] "p0 in x2";
    mistakes_stack_word Fixed "(i64, i64, i64, i64, i64, i64, i64)" [
        "ldr x9, [x3, #80]", "str x9, [x3, #96]", "bl {body}"
    ] "p6 in [sp+0]";
    // E2
    changes_result ShortCut "() -> i64" ["bl {body}", "add x0, x0, #1"] "left in x0";
    changes_upper_half ShortCut "() -> i32" ["bl {body}", "mov w0, w0"] "left in x0";
    changes_float ShortCut "() -> f64" ["bl {body}", "movi d0, #0"] "left in v0";
    writes_slot ShortCut "(i64) -> i64" [
        "str x3, [sp, #16]", "bl {body}", "ldr x9, [sp, #16]", "str x0, [x9]"
    ] "slot 0 afterwards";
    writes_sixteen Variable "() -> i64" [
        "str x3, [sp, #16]", "bl {body}", "ldr x9, [sp, #16]", "str xzr, [x9, #8]"
    ] "slot 0 afterwards";
    does_not_extend Variable "() -> i32" [
        "str x3, [sp, #16]", "bl {body}",
        "ldr x9, [sp, #16]", "ldr w10, [x9, #4]", "mvn w10, w10", "str w10, [x9, #4]"
    ] "slot 0 afterwards";
    // E3
    writes_beyond Bare "()" [
        "ldrb w9, [x3]", "mvn w9, w9", "strb w9, [x3]", "bl {body}"
    ] "slot 0 afterwards";
    writes_descriptor Bare "()" [
        "ldrb w9, [x4, #0x20]", "mvn w9, w9", "strb w9, [x4, #0x20]", "bl {body}"
    ] "the descriptor";
    writes_above Bare "()" [
        "ldrb w9, [sp, #40]", "mvn w9, w9", "strb w9, [sp, #40]", "bl {body}"
    ] "lost: the caller's frame";
    relies_on_memory_below_sp ShortCut "() -> i64" [
        "str xzr, [sp, #-128]", "bl {body}", "ldr x9, [sp, #-128]", "eor x0, x0, x9"
    ] "left in x0";
    relies_on_x5 ShortCut "() -> i64" [
        "mov x5, xzr", "bl {body}", "eor x0, x0, x5"
    ] "left in x0";
    relies_on_x9 ShortCut "() -> i64" [
        "mov x9, xzr", "bl {body}", "eor x0, x0, x9"
    ] "left in x0";
    relies_on_x15 ShortCut "() -> i64" [
        "mov x15, xzr", "bl {body}", "eor x0, x0, x15"
    ] "left in x0";
    relies_on_x16 ShortCut "() -> i64" [
        "mov x16, xzr", "bl {body}", "eor x0, x0, x16"
    ] "left in x0";
    relies_on_x17 ShortCut "() -> i64" [
        "mov x17, xzr", "bl {body}", "eor x0, x0, x17"
    ] "left in x0";
    relies_on_v1 ShortCut "() -> f64" [
        "movi d1, #0", "bl {body}", "eor v0.8b, v0.8b, v1.8b"
    ] "left in v0";
    relies_on_v16 ShortCut "() -> f64" [
        "movi d16, #0", "bl {body}", "eor v0.8b, v0.8b, v16.8b"
    ] "left in v0";
    relies_on_v31 ShortCut "() -> f64" [
        "movi d31, #0", "bl {body}", "eor v0.8b, v0.8b, v31.8b"
    ] "left in v0";
    relies_on_upper_half_of_v8 ShortCut "() -> i64" [
        "mov v8.d[1], xzr", "bl {body}", "mov x9, v8.d[1]", "eor x0, x0, x9"
    ] "left in x0";
    relies_on_flags ShortCut "() -> i64" [
        "cmp sp, #0", "bl {body}", "cinc x0, x0, eq"
    ] "left in x0";
    // E4
    loses_fpcr Bare "()" [
        "bl {body}", "mrs x9, fpcr", "eor x9, x9, #0x400000", "msr fpcr, x9"
    ] "lost: fpcr";
    loses_x29 Bare "()" ["bl {body}", "str xzr, [sp]"] "lost: x29";
    loses_sp Bare "()" [
        "bl {body}", "ldp x29, x30, [sp]", "add sp, sp, #48", "ret"
    ] "lost: sp";
    // E11, of `hidden`: the body is in x5
    hidden_loses_x8 Hidden "() -> {[i64; 3]}" ["mov x8, x3", "blr x5 /* {body} */"] "x8 is";
    hidden_never_calls Hidden "() -> {[i64; 3]}" ["/* not {body} */"] "called 0 times";
    hidden_calls_twice Hidden "() -> {[i64; 3]}" [
        "str x2, [sp, #16]", "str x8, [sp, #24]", "bl {body}", "ldr x16, [sp, #16]", "add x8, sp, #16",
        "sub sp, sp, #32", "mov x8, sp", "blr x16", "add sp, sp, #32"
    ] "called 2 times";
    hidden_changes_argument Hidden "(i64, f64) -> {[i64; 3]}" ["add x0, x0, #1", "bl {body}"] "p0 in x0";
    hidden_changes_result Hidden "() -> {[i64; 3]}" ["bl {body}", "add x0, x0, #1"] "left";
    hidden_loses_x19 Hidden "() -> {[i64; 3]}" ["bl {body}", "mvn x19, x19"] "lost: x19";
    // E11, of `vectors`: the body is in x5, and 64 bytes are at x6
    vectors_never_calls Vectors "() -> {v128, v128}" ["/* not {body} */"] "called 0 times";
    vectors_stores_less Vectors "() -> {v128, v128}" [
        "str x6, [sp, #16]", "bl {body}", "ldr x9, [sp, #16]", "str xzr, [x9, #56]"
    ] "the vectors stored";
    vectors_loses_x20 Vectors "() -> {v128, v128}" ["bl {body}", "mvn x20, x20"] "lost: x20";
    // E12, of `leavable`: the landing place is in x5
    leavable_never_calls Leavable "()" ["/* not {body} */"] "called 0 times";
    leavable_changes_result Leavable "() -> i64" ["bl {body}", "add x0, x0, #1"] "left in x0";
    leavable_stays_live Leavable "()" [
        "str x5, [sp, #16]", "bl {body}", "ldr x9, [sp, #16]", "str x9, [x9]"
    ] "the landing place is not as it was";
    // E13
    leavable_says_returned Leavable "()" [
        "str x5, [sp, #16]", "bl {body}", "ldr x9, [sp, #16]", "str xzr, [x9]"
    ] "says that the call has returned";
    leavable_loses_x19 Leavable "()" ["bl {body}", "mvn x19, x19"] "lost: x19";
    // E13, of `landed`: a liar changes its frame, which is 32 bytes above
    landed_loses_x19 Landed "()" ["str xzr, [sp, #64]", "add sp, sp, #32", "b {body}"] "lost: x19";
    landed_loses_d15 Landed "()" ["str xzr, [sp, #200]", "add sp, sp, #32", "b {body}"] "lost: d15";
    landed_loses_fpcr Landed "()" ["str xzr, [sp, #40]", "add sp, sp, #32", "b {body}"] "lost: fpcr";
    // E8, of `host`: the context is in x0, the caller in x1
    host_never_calls Host "()" ["/* not {body} */"] "the number of calls is 0x0";
    host_calls_twice Host "()" [
        "str x0, [sp, #16]", "bl {body}", "ldr x0, [sp, #16]", "bl {body}"
    ] "the number of calls is 0x2";
    host_changes_caller Host "()" ["add x1, x1, #1", "bl {body}"] "the caller context";
    host_changes_argument Host "(i64) -> i64" ["add x2, x2, #1", "bl {body}"] "result 0";
    // E9
    host_changes_result Host "(i64) -> i64" ["bl {body}", "add x0, x0, #1"] "result 0";
    host_changes_float Host "(i64) -> f64" ["bl {body}", "movi d0, #0"] "result 0";
    host_changes_area Host "(i64, i64) -> (i64, i64)" [
        "str x4, [sp, #16]", "bl {body}",
        "ldr x9, [sp, #16]", "ldrb w10, [x9, #7]", "mvn w10, w10", "strb w10, [x9, #7]"
    ] "byte 7 of the return area";
    host_writes_eight Host "(i64, i64, i64) -> (i64, i32, i64)" [
        "str x5, [sp, #16]", "bl {body}",
        "ldr x9, [sp, #16]", "ldrb w10, [x9, #4]", "mvn w10, w10", "strb w10, [x9, #4]"
    ] "byte 4 of the return area";
    // E10
    host_writes_context Host "()" [
        "ldrb w9, [x0]", "mvn w9, w9", "strb w9, [x0]", "bl {body}"
    ] "a change of the context";
    host_writes_above Host "()" [
        "ldrb w9, [sp, #40]", "mvn w9, w9", "strb w9, [sp, #40]", "bl {body}"
    ] "lost: the caller's frame";
    host_relies_on_x9 Host "(i64) -> i64" [
        "mov x9, xzr", "bl {body}", "eor x0, x0, x9"
    ] "result 0";
    // E4
    host_loses_x29 Host "()" ["bl {body}", "str xzr, [sp]"] "lost: x29";
    host_loses_fpcr Host "()" [
        "bl {body}", "mrs x9, fpcr", "eor x9, x9, #0x400000", "msr fpcr, x9"
    ] "lost: fpcr";
    host_loses_sp Host "()" [
        "bl {body}", "ldp x29, x30, [sp]", "add sp, sp, #48", "ret"
    ] "lost: sp";
}

losers! {
    ["stp x29, x30, [sp, #-32]!"]
    ["ldp x29, x30, [sp], #32", "ret"]
    loses Bare ["bl {body}", "mvn \\r, \\r"] [x19 x20 x21 x22 x23 x24 x25 x26 x27 x28];
    loses_float Bare ["bl {body}", "fneg \\r, \\r"] [d8 d9 d10 d11 d12 d13 d14 d15];
    host_loses Host ["bl {body}", "mvn \\r, \\r"] [x19 x28];
    host_loses_float Host ["bl {body}", "fneg \\r, \\r"] [d8];
}

deadly! {
    ["mov x16, x2", "br x16"]
    reads_before_slots "ldurb w9, [x3, #-1]";
    reads_after_slots "ldrb w9, [x3]";
    reads_before_descriptor "ldurb w9, [x4, #-1]";
    reads_after_descriptor "ldrb w9, [x4, #0x40]";
}
