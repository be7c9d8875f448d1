//! 64-bit RISC-V. A liar's frame has ra at sp, and 24 bytes of its own above.

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
    loses_s0 Bare "()" ["call {body}", "not s0, s0"] "lost: s0";
    loses_s1 Bare "()" ["call {body}", "not s1, s1"] "lost: s1";
    loses_s2 Bare "()" ["call {body}", "not s2, s2"] "lost: s2";
    loses_s3 Bare "()" ["call {body}", "not s3, s3"] "lost: s3";
    loses_s4 Bare "()" ["call {body}", "not s4, s4"] "lost: s4";
    loses_s5 Bare "()" ["call {body}", "not s5, s5"] "lost: s5";
    loses_s6 Bare "()" ["call {body}", "not s6, s6"] "lost: s6";
    loses_s7 Bare "()" ["call {body}", "not s7, s7"] "lost: s7";
    loses_s8 Bare "()" ["call {body}", "not s8, s8"] "lost: s8";
    loses_s9 Bare "()" ["call {body}", "not s9, s9"] "lost: s9";
    loses_s10 Bare "()" ["call {body}", "not s10, s10"] "lost: s10";
    loses_s11 Bare "()" ["call {body}", "not s11, s11"] "lost: s11";
    loses_fs1_to_target Bare "()" ["jalr a2", "/* not {body} */"] "lost: fs1";
    loses_fs0 Bare "()" ["call {body}", "fneg.d fs0, fs0"] "lost: fs0";
    loses_fs1 Bare "()" ["call {body}", "fneg.d fs1, fs1"] "lost: fs1";
    loses_fs2 Bare "()" ["call {body}", "fneg.d fs2, fs2"] "lost: fs2";
    loses_fs3 Bare "()" ["call {body}", "fneg.d fs3, fs3"] "lost: fs3";
    loses_fs4 Bare "()" ["call {body}", "fneg.d fs4, fs4"] "lost: fs4";
    loses_fs5 Bare "()" ["call {body}", "fneg.d fs5, fs5"] "lost: fs5";
    loses_fs6 Bare "()" ["call {body}", "fneg.d fs6, fs6"] "lost: fs6";
    loses_fs7 Bare "()" ["call {body}", "fneg.d fs7, fs7"] "lost: fs7";
    loses_fs8 Bare "()" ["call {body}", "fneg.d fs8, fs8"] "lost: fs8";
    loses_fs9 Bare "()" ["call {body}", "fneg.d fs9, fs9"] "lost: fs9";
    loses_fs10 Bare "()" ["call {body}", "fneg.d fs10, fs10"] "lost: fs10";
    loses_fs11 Bare "()" ["call {body}", "fneg.d fs11, fs11"] "lost: fs11";
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
    host_loses_s0 Host "()" ["call {body}", "not s0, s0"] "lost: s0";
    host_loses_s11 Host "()" ["call {body}", "not s11, s11"] "lost: s11";
    host_loses_fs1 Host "()" ["call {body}", "fneg.d fs1, fs1"] "lost: fs1";
    host_loses_frm Host "()" [
        "call {body}", "frrm t0", "xori t0, t0, 2", "fsrm t0"
    ] "lost: frm";
    host_loses_sp Host "()" [
        "call {body}", "ld ra, 0(sp)", "addi sp, sp, 48", "ret"
    ] "lost: sp";
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
