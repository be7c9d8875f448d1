// x86-64, Windows. A liar's frame has the space of the body that it calls at rsp, its
// fifth argument, the descriptor, at rsp + 32, and 16 bytes of its own above.

liars! {
    ["lea rsp, [rsp - 56]", "mov rax, [rsp + 96]", "mov [rsp + 32], rax"] ["add rsp, 56", "ret"]

    // E1
    never_calls Variable "()" ["/* not {body} */"] "called 0 times";
    calls_twice Bare "()" [
        "mov [rsp + 48], r8", "call {body}", "call [rsp + 48]"
    ] "called 2 times";
    misaligned Bare "()" [
        "sub rsp, 8", "call {body}", "add rsp, 8"
    ] "stack pointer at the call";
    sets_direction Bare "()" ["std", "call {body}"] "the target found changed: the direction flag";
    rounds Bare "()" [
        "stmxcsr [rsp + 48]", "xor dword ptr [rsp + 48], 0x2000", "ldmxcsr [rsp + 48]",
        "call {body}",
        "stmxcsr [rsp + 48]", "xor dword ptr [rsp + 48], 0x2000", "ldmxcsr [rsp + 48]"
    ] "the target found changed: mxcsr";
    changes_callee Bare "()" ["inc rcx", "call {body}"] "context 0 in rcx";
    changes_caller Bare "()" ["inc rdx", "call {body}"] "context 1 in rdx";
    writes_before_reading ShortCut "(i32)" ["inc byte ptr [r9]", "call {body}"] "p0 in r8";
    believes_flags ShortCut "(i32)" ["adc dword ptr [r9], 0", "call {body}"] "p0 in r8";
    believes_r11 ShortCut "(i32)" ["add dword ptr [r9], r11d", "call {body}"] "p0 in r8";
    mistakes_stack_word Fixed "(i64, i64, i64)" [
        "mov r10, [r9 + 16]", "mov [r9 + 32], r10", "call {body}"
    ] "p2 in [sp+32]";
    // E2
    changes_result ShortCut "() -> i64" ["call {body}", "inc rax"] "left in rax";
    changes_upper_half ShortCut "() -> i32" ["call {body}", "mov eax, eax"] "left in rax";
    changes_float ShortCut "() -> f64" ["call {body}", "pxor xmm0, xmm0"] "left in xmm0";
    writes_slot ShortCut "(i64) -> i64" [
        "mov [rsp + 48], r9", "call {body}", "mov r9, [rsp + 48]", "mov [r9], rax"
    ] "slot 0 afterwards";
    does_not_extend Variable "() -> (i32, i32)" [
        "mov [rsp + 48], r9", "call {body}", "mov r9, [rsp + 48]", "not dword ptr [r9 + 20]"
    ] "slot 1 afterwards";
    // E3
    writes_beyond Bare "()" ["not byte ptr [r9]", "call {body}"] "slot 0 afterwards";
    writes_descriptor Bare "()" ["not byte ptr [rax + 0x20]", "call {body}"] "the descriptor";
    writes_above Bare "()" ["not byte ptr [rsp + 112]", "call {body}"] "lost: the caller's frame";
    relies_on_memory_below_rsp ShortCut "() -> i64" [
        "and qword ptr [rsp - 128], 0", "call {body}", "xor rax, [rsp - 128]"
    ] "left in rax";
    relies_on_rcx ShortCut "() -> i64" [
        "mov [rsp + 48], rcx", "call {body}", "xor rcx, [rsp + 48]", "xor rax, rcx"
    ] "left in rax";
    relies_on_rdx ShortCut "() -> i64" ["call {body}", "xor rax, rdx"] "left in rax";
    relies_on_r8 ShortCut "() -> i64" ["call {body}", "xor rax, r8"] "left in rax";
    relies_on_r9 ShortCut "() -> i64" ["call {body}", "xor rax, r9"] "left in rax";
    relies_on_r10 ShortCut "() -> i64" ["call {body}", "xor rax, r10"] "left in rax";
    relies_on_r11 ShortCut "() -> i64" ["call {body}", "xor rax, r11"] "left in rax";
    relies_on_xmm1 ShortCut "() -> f64" [
        "pxor xmm1, xmm1", "call {body}", "pxor xmm0, xmm1"
    ] "left in xmm0";
    relies_on_xmm5 ShortCut "() -> f64" [
        "pxor xmm5, xmm5", "call {body}", "pxor xmm0, xmm5"
    ] "left in xmm0";
    relies_on_flags ShortCut "() -> i64" [
        "test rsp, rsp", "call {body}", "sbb rax, 0"
    ] "left in rax";
    // E4
    loses_upper_half_of_xmm6 Bare "()" ["call {body}", "movq xmm6, xmm6"] "lost: xmm6";
    loses_rsp Bare "()" [
        "call {body}", "mov rcx, [rsp + 56]", "add rsp, 72", "jmp rcx"
    ] "lost: rsp";
    loses_direction Bare "()" ["call {body}", "std"] "lost: the direction flag";
    loses_mxcsr Bare "()" [
        "call {body}", "stmxcsr [rsp]", "xor dword ptr [rsp], 0x2000", "ldmxcsr [rsp]"
    ] "lost: mxcsr";
    loses_x87 Bare "()" [
        "call {body}", "fnstcw [rsp]", "xor word ptr [rsp], 0x400", "fldcw [rsp]"
    ] "lost: the x87 control word";
    // E12, of `leavable`: the landing place is the sixth argument
    leavable_never_calls Leavable "()" ["/* not {body} */"] "called 0 times";
    leavable_changes_result Leavable "() -> i64" [
        "mov rax, [rsp + 104]", "mov [rsp + 40], rax", "call {body}", "inc rax"
    ] "left in rax";
    leavable_stays_live Leavable "()" [
        "mov rax, [rsp + 104]", "mov [rsp + 40], rax", "call {body}",
        "mov rax, [rsp + 104]", "mov [rax], rsp"
    ] "the landing place is not as it was";
    // E13
    leavable_says_returned Leavable "()" [
        "mov rax, [rsp + 104]", "mov [rsp + 40], rax", "call {body}",
        "mov rax, [rsp + 104]", "and qword ptr [rax], 0"
    ] "says that the call has returned";
    leavable_loses_rsi Leavable "()" [
        "mov rax, [rsp + 104]", "mov [rsp + 40], rax", "call {body}", "not rsi"
    ] "lost: rsi";
    // E13, of `landed`: a liar changes its frame, which is 56 bytes above
    landed_loses_xmm15 Landed "()" [
        "not qword ptr [rsp + 248]", "lea rsp, [rsp + 56]", "jmp {body}"
    ] "lost: xmm15";
    // E8, of `host`: the context is in rcx, the caller in rdx
    host_never_calls Host "()" ["/* not {body} */"] "the number of calls is 0x0";
    host_calls_twice Host "()" [
        "mov [rsp + 48], rcx", "call {body}", "mov rcx, [rsp + 48]", "call {body}"
    ] "the number of calls is 0x2";
    host_misaligned Host "()" [
        "sub rsp, 8", "call {body}", "add rsp, 8"
    ] "the stack pointer's alignment";
    host_sets_direction Host "()" ["std", "call {body}"] "found changed: the direction flag";
    host_changes_caller Host "()" ["inc rdx", "call {body}"] "the caller context";
    host_changes_argument Host "(i64) -> i64" ["inc r8", "call {body}"] "result 0";
    // E9
    host_changes_result Host "(i64) -> i64" ["call {body}", "inc rax"] "result 0";
    host_changes_float Host "(i64) -> f64" ["call {body}", "pxor xmm0, xmm0"] "result 0";
    host_changes_area Host "(i64) -> (i64, i64)" [
        "mov [rsp + 48], r9", "call {body}", "mov r9, [rsp + 48]", "not byte ptr [r9 + 7]"
    ] "byte 7 of the return area";
    // E10
    host_writes_context Host "()" ["not byte ptr [rcx]", "call {body}"] "a change of the context";
    host_writes_above Host "()" ["not byte ptr [rsp + 112]", "call {body}"] "lost: the caller's frame";
    host_relies_on_r10 Host "(i64) -> i64" [
        "xor r10, r10", "call {body}", "xor rax, r10"
    ] "result 0";
    // E4
    host_loses_rsp Host "()" [
        "call {body}", "mov rcx, [rsp + 56]", "add rsp, 72", "jmp rcx"
    ] "lost: rsp";
    host_loses_mxcsr Host "()" [
        "call {body}", "stmxcsr [rsp]", "xor dword ptr [rsp], 0x2000", "ldmxcsr [rsp]"
    ] "lost: mxcsr";
}

losers! {
    ["lea rsp, [rsp - 56]", "mov rax, [rsp + 96]", "mov [rsp + 32], rax"]
    ["add rsp, 56", "ret"]
    loses Bare ["call {body}", "not \\r"] [rbx rbp rsi rdi r12 r13 r14 r15];
    loses_float Bare ["call {body}", "pxor \\r, \\r"] [xmm6 xmm7 xmm8 xmm9 xmm10 xmm11 xmm12 xmm13 xmm14 xmm15];
    host_loses Host ["call {body}", "not \\r"] [rbx rsi rdi];
    host_loses_float Host ["call {body}", "pxor \\r, \\r"] [xmm6 xmm15];
}

deadly! {
    ["jmp r8"]
    reads_before_slots "mov r10b, [r9 - 1]";
    reads_after_slots "mov r10b, [r9]";
    reads_before_descriptor "mov rax, [rsp + 40]\nmov r10b, [rax - 1]";
    reads_after_descriptor "mov rax, [rsp + 40]\nmov r10b, [rax + 0x40]";
}
