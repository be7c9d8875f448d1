// 64-bit RISC-V. A liar's frame has ra at sp, and 24 bytes of its own above.

liars! {
    [".option push", ".option arch, +d", "addi sp, sp, -32", "sd ra, 0(sp)"]
    ["ld ra, 0(sp)", "addi sp, sp, 32", "ret", ".option pop"]

    // E1
    never_calls Variable "()" ["/* not {body} */"] "called 0 times";
    calls_twice Bare "()" [
        "sd a2, 16(sp)", "call {body}", "ld t0, 16(sp)", "jalr t0"
    ] "called 2 times";
    misaligned Bare "()" [
        "addi sp, sp, -8", "call {body}", "addi sp, sp, 8"
    ] "stack pointer at the call";
    rounds Bare "()" [
        "frrm t0", "sd t0, 16(sp)", "xori t0, t0, 2", "fsrm t0",
        "call {body}",
        "ld t0, 16(sp)", "fsrm t0"
    ] "the target found changed: frm";
    changes_callee Bare "()" ["addi a0, a0, 1", "call {body}"] "context 0 in a0";
    changes_caller Bare "()" ["addi a1, a1, 1", "call {body}"] "context 1 in a1";
    writes_before_reading ShortCut "(i32)" [
        "lbu t0, 0(a3)", "not t0, t0", "sb t0, 0(a3)", "call {body}"
    ] "p0 in a2";
    believes_t1 ShortCut "(i32)" [
        "lw t0, 0(a3)", "add t0, t0, t1", "sw t0, 0(a3)", "call {body}"
    ] "p0 in a2";
    does_not_extend_arguments Fixed "(i32, i32, i32, i32, i32, i32)" [
        "mv t0, a2", "mv t1, a3",
        ".irp n, 2, 3, 4, 5, 6, 7", "lwu a\\n, 16 * (\\n - 2)(t1)", ".endr",
        "jalr t0", "/* not {body} */"
    ] " in a";
    does_not_fill_up_floats ShortCut "(f32)" [
        "fld fa0, 0(a3)", "jalr a2", "/* not {body} */"
    ] "p0 in fa0";
    mistakes_stack_word Fixed "(i64, i64, i64, i64, i64, i64, i64)" [
        "ld t0, 80(a3)", "sd t0, 96(a3)", "call {body}"
    ] "p6 in [sp+0]";
    // E2
    changes_result ShortCut "() -> i64" ["call {body}", "addi a0, a0, 1"] "left in a0";
    changes_upper_half ShortCut "() -> i32" ["call {body}", "sext.w a0, a0"] "left in a0";
    changes_float ShortCut "() -> f64" ["call {body}", "fneg.d fa0, fa0"] "left in fa0";
    writes_slot ShortCut "(i64) -> i64" [
        "sd a3, 16(sp)", "call {body}", "ld t0, 16(sp)", "sd a0, 0(t0)"
    ] "slot 0 afterwards";
    writes_sixteen Variable "() -> i64" [
        "sd a3, 16(sp)", "call {body}", "ld t0, 16(sp)", "sd zero, 8(t0)"
    ] "slot 0 afterwards";
    does_not_extend Variable "() -> i32" [
        "sd a3, 16(sp)", "call {body}",
        "ld t0, 16(sp)", "lw t1, 4(t0)", "not t1, t1", "sw t1, 4(t0)"
    ] "slot 0 afterwards";
    // E3
    writes_beyond Bare "()" [
        "lbu t0, 0(a3)", "not t0, t0", "sb t0, 0(a3)", "call {body}"
    ] "slot 0 afterwards";
    writes_descriptor Bare "()" [
        "lbu t0, 0x20(a4)", "not t0, t0", "sb t0, 0x20(a4)", "call {body}"
    ] "the descriptor";
    writes_above Bare "()" [
        "lbu t0, 40(sp)", "not t0, t0", "sb t0, 40(sp)", "call {body}"
    ] "lost: the caller's frame";
    relies_on_memory_below_sp ShortCut "() -> i64" [
        "sd zero, -128(sp)", "call {body}", "ld t0, -128(sp)", "xor a0, a0, t0"
    ] "left in a0";
    relies_on_a5 ShortCut "() -> i64" [
        "li a5, 0", "call {body}", "xor a0, a0, a5"
    ] "left in a0";
    relies_on_t0 ShortCut "() -> i64" [
        "li t0, 0", "call {body}", "xor a0, a0, t0"
    ] "left in a0";
    relies_on_t2 ShortCut "() -> i64" [
        "li t2, 0", "call {body}", "xor a0, a0, t2"
    ] "left in a0";
    relies_on_t6 ShortCut "() -> i64" [
        "li t6, 0", "call {body}", "xor a0, a0, t6"
    ] "left in a0";
    relies_on_fa1 ShortCut "() -> i64" [
        "fmv.d.x fa1, zero", "call {body}", "fmv.x.d t0, fa1", "xor a0, a0, t0"
    ] "left in a0";
    relies_on_ft0 ShortCut "() -> i64" [
        "fmv.d.x ft0, zero", "call {body}", "fmv.x.d t0, ft0", "xor a0, a0, t0"
    ] "left in a0";
    relies_on_ft11 ShortCut "() -> i64" [
        "fmv.d.x ft11, zero", "call {body}", "fmv.x.d t0, ft11", "xor a0, a0, t0"
    ] "left in a0";
    // E4
    loses_frm Bare "()" [
        "call {body}", "frrm t0", "xori t0, t0, 2", "fsrm t0"
    ] "lost: frm";
    loses_fs1_to_target Bare "()" ["jalr a2", "/* not {body} */"] "lost: fs1";
    loses_sp Bare "()" [
        "call {body}", "ld ra, 0(sp)", "addi sp, sp, 48", "ret"
    ] "lost: sp";
    // E12, of `leavable`: the landing place is in a5
    leavable_never_calls Leavable "()" ["/* not {body} */"] "called 0 times";
    leavable_changes_result Leavable "() -> i64" ["call {body}", "addi a0, a0, 1"] "left in a0";
    leavable_stays_live Leavable "()" [
        "sd a5, 16(sp)", "call {body}", "ld t0, 16(sp)", "sd sp, 0(t0)"
    ] "the landing place is not as it was";
    // E13
    leavable_says_returned Leavable "()" [
        "sd a5, 16(sp)", "call {body}", "ld t0, 16(sp)", "sd zero, 0(t0)"
    ] "says that the call has returned";
    leavable_loses_s1 Leavable "()" ["call {body}", "not s1, s1"] "lost: s1";
    // E13, of `landed`: a liar changes its frame, which is 32 bytes above
    landed_loses_s1 Landed "()" ["sd zero, 48(sp)", "addi sp, sp, 32", "tail {body}"] "lost: s1";
    landed_loses_fs11 Landed "()" ["sd zero, 216(sp)", "addi sp, sp, 32", "tail {body}"] "lost: fs11";
    landed_loses_frm Landed "()" ["sd zero, 32(sp)", "addi sp, sp, 32", "tail {body}"] "lost: frm";
    // E8, of `host`: the context is in a0, the caller in a1
    host_never_calls Host "()" ["/* not {body} */"] "the number of calls is 0x0";
    host_calls_twice Host "()" [
        "sd a0, 16(sp)", "call {body}", "ld a0, 16(sp)", "call {body}"
    ] "the number of calls is 0x2";
    host_changes_caller Host "()" ["addi a1, a1, 1", "call {body}"] "the caller context";
    host_changes_argument Host "(i64) -> i64" ["addi a2, a2, 1", "call {body}"] "result 0";
    // E9
    host_changes_result Host "(i64) -> i64" ["call {body}", "addi a0, a0, 1"] "result 0";
    host_changes_float Host "(i64) -> f64" ["call {body}", "fneg.d fa0, fa0"] "result 0";
    host_changes_area Host "(i64, i64) -> (i64, i64)" [
        "sd a4, 16(sp)", "call {body}",
        "ld t0, 16(sp)", "lbu t1, 7(t0)", "not t1, t1", "sb t1, 7(t0)"
    ] "byte 7 of the return area";
    host_writes_eight Host "(i64, i64, i64) -> (i64, i32, i64)" [
        "sd a5, 16(sp)", "call {body}",
        "ld t0, 16(sp)", "lbu t1, 4(t0)", "not t1, t1", "sb t1, 4(t0)"
    ] "byte 4 of the return area";
    // E10
    host_writes_context Host "()" [
        "lbu t0, 0(a0)", "not t0, t0", "sb t0, 0(a0)", "call {body}"
    ] "a change of the context";
    host_writes_above Host "()" [
        "lbu t0, 40(sp)", "not t0, t0", "sb t0, 40(sp)", "call {body}"
    ] "lost: the caller's frame";
    host_relies_on_t2 Host "(i64) -> i64" [
        "li t2, 0", "call {body}", "xor a0, a0, t2"
    ] "result 0";
    // E4
    host_loses_frm Host "()" [
        "call {body}", "frrm t0", "xori t0, t0, 2", "fsrm t0"
    ] "lost: frm";
    host_loses_sp Host "()" [
        "call {body}", "ld ra, 0(sp)", "addi sp, sp, 48", "ret"
    ] "lost: sp";
}

losers! {
    [".option push", ".option arch, +d", "addi sp, sp, -32", "sd ra, 0(sp)"]
    ["ld ra, 0(sp)", "addi sp, sp, 32", "ret", ".option pop"]
    loses Bare ["call {body}", "not \\r, \\r"] [s0 s1 s2 s3 s4 s5 s6 s7 s8 s9 s10 s11];
    loses_float Bare ["call {body}", "fneg.d \\r, \\r"] [fs0 fs1 fs2 fs3 fs4 fs5 fs6 fs7 fs8 fs9 fs10 fs11];
    host_loses Host ["call {body}", "not \\r, \\r"] [s0 s11];
    host_loses_float Host ["call {body}", "fneg.d \\r, \\r"] [fs1];
}

deadly! {
    [
        ".option push", ".option arch, +d",
        "addi sp, sp, -16", "sd ra, 0(sp)", "fsd fs1, 8(sp)",
        "jalr a2",
        "fld fs1, 8(sp)", "ld ra, 0(sp)", "addi sp, sp, 16", "ret",
        ".option pop"
    ]
    reads_before_slots "lbu t0, -1(a3)";
    reads_after_slots "lbu t0, 0(a3)";
    reads_before_descriptor "lbu t0, -1(a4)";
    reads_after_descriptor "lbu t0, 0x40(a4)";
}
