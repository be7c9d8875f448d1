// x86-64, System V ABI. rsp + 8 is a liar's return address, and [rsp] is its own.

liars! {
    ["lea rsp, [rsp - 8]"] ["add rsp, 8", "ret"]

    // E1
    never_calls Variable "()" ["/* not {body} */"] "called 0 times";
    calls_twice Bare "()" [
        "mov [rsp], rdx", "call {body}", "call [rsp]"
    ] "called 2 times";
    misaligned Bare "()" [
        "sub rsp, 8", "call {body}", "add rsp, 8"
    ] "stack pointer at the call";
    sets_direction Bare "()" ["std", "call {body}"] "the target found changed: the direction flag";
    rounds Bare "()" [
        "stmxcsr [rsp]", "xor dword ptr [rsp], 0x2000", "ldmxcsr [rsp]",
        "call {body}",
        "stmxcsr [rsp]", "xor dword ptr [rsp], 0x2000", "ldmxcsr [rsp]"
    ] "the target found changed: mxcsr";
    changes_callee Bare "()" ["inc rdi", "call {body}"] "context 0 in rdi";
    changes_caller Bare "()" ["inc rsi", "call {body}"] "context 1 in rsi";
    writes_before_reading ShortCut "(i32)" ["inc byte ptr [rcx]", "call {body}"] "p0 in rdx";
    believes_flags ShortCut "(i32)" ["adc dword ptr [rcx], 0", "call {body}"] "p0 in rdx";
    believes_rax ShortCut "(i32)" ["add dword ptr [rcx], eax", "call {body}"] "p0 in rdx";
    mistakes_stack_word Fixed "(i64, i64, i64, i64, i64)" [
        "mov r10, [rcx + 48]", "mov [rcx + 64], r10", "call {body}"
    ] "p4 in [sp+0]";
    // E2
    changes_result ShortCut "() -> i64" ["call {body}", "inc rax"] "left in rax";
    changes_upper_half ShortCut "() -> i32" ["call {body}", "mov eax, eax"] "left in rax";
    changes_float ShortCut "() -> f64" ["call {body}", "pxor xmm0, xmm0"] "left in xmm0";
    writes_slot ShortCut "(i64) -> i64" [
        "mov [rsp], rcx", "call {body}", "mov rcx, [rsp]", "mov [rcx], rax"
    ] "slot 0 afterwards";
    writes_sixteen Variable "() -> i64" [
        "mov [rsp], rcx", "call {body}", "mov rcx, [rsp]", "and qword ptr [rcx + 8], 0"
    ] "slot 0 afterwards";
    does_not_extend Variable "() -> i32" [
        "mov [rsp], rcx", "call {body}", "mov rcx, [rsp]", "not dword ptr [rcx + 4]"
    ] "slot 0 afterwards";
    // E3
    writes_beyond Bare "()" ["not byte ptr [rcx]", "call {body}"] "slot 0 afterwards";
    writes_descriptor Bare "()" ["not byte ptr [r8 + 0x20]", "call {body}"] "the descriptor";
    writes_above Bare "()" ["not byte ptr [rsp + 16]", "call {body}"] "lost: the caller's frame";
    relies_on_red_zone ShortCut "() -> i64" [
        "and qword ptr [rsp - 128], 0", "call {body}", "xor rax, [rsp - 128]"
    ] "left in rax";
    relies_on_r10 ShortCut "() -> i64" ["xor r10, r10", "call {body}", "xor rax, r10"] "left in rax";
    relies_on_r11 ShortCut "() -> i64" ["xor r11, r11", "call {body}", "xor rax, r11"] "left in rax";
    relies_on_rdi ShortCut "() -> i64" [
        "mov [rsp], rdi", "call {body}", "xor rdi, [rsp]", "xor rax, rdi"
    ] "left in rax";
    relies_on_xmm15 ShortCut "() -> f64" [
        "pxor xmm15, xmm15", "call {body}", "pxor xmm0, xmm15"
    ] "left in xmm0";
    relies_on_flags ShortCut "() -> i64" [
        "test rsp, rsp", "call {body}", "sbb rax, 0"
    ] "left in rax";
    // E4
    loses_rsp Bare "()" [
        "call {body}", "mov rcx, [rsp + 8]", "add rsp, 24", "jmp rcx"
    ] "lost: rsp";
    loses_direction Bare "()" ["call {body}", "std"] "lost: the direction flag";
    loses_mxcsr Bare "()" [
        "call {body}", "stmxcsr [rsp]", "xor dword ptr [rsp], 0x2000", "ldmxcsr [rsp]"
    ] "lost: mxcsr";
    loses_x87 Bare "()" [
        "call {body}", "fnstcw [rsp]", "xor word ptr [rsp], 0x400", "fldcw [rsp]"
    ] "lost: the x87 control word";
    // E11, of `hidden` and `x87`: the body is in r9
    hidden_loses_al Hidden "(ptr, ...f64)" ["mov eax, 0x7701", "mov al, ah", "call r9 /* {body} */"] "al is 119";
    hidden_takes_other_byte Hidden "(ptr, ...)" [
        "movzx eax, byte ptr [r8 + 0x33]", "call r9 /* {body} */"
    ] "al is 1";
    hidden_never_calls Hidden "(ptr, ...)" ["/* not {body} */"] "called 0 times";
    hidden_calls_twice Hidden "(...)" [
        "mov [rsp], rdx", "call {body}", "call [rsp]"
    ] "called 2 times";
    hidden_calls_target Hidden "(ptr, ...f64)" ["mov r9, rdx", "call {body}"] "p1 in xmm0";
    hidden_changes_argument Hidden "(ptr, ...)" ["inc rdi", "call {body}"] "p0 in rdi";
    hidden_changes_result Hidden "(...)" ["call {body}", "inc rax"] "left";
    hidden_writes_slot Hidden "(ptr, ...)" [
        "mov [rsp], rcx", "call {body}", "mov rcx, [rsp]", "not byte ptr [rcx]"
    ] "byte 0 of the slots";
    hidden_loses_rbx Hidden "(...)" ["call {body}", "not rbx"] "lost: rbx";
    hidden_leaves_x87 Hidden "(...)" ["call {body}", "fldz"] "x87 registers are not empty";
    hidden_fills_x87 Hidden "(...)" ["fldz", "call {body}", "fstp st(0)"] "the target found x87 registers";
    x87_loses_al X87 "(ptr, ...f64) -> longdouble" [
        "mov [rsp], rcx", "mov eax, 0x77", "call r9 /* {body} */", "mov rcx, [rsp]", "fstp tbyte ptr [rcx]"
    ] "al is 119";
    x87_leaves_st0 X87 "() -> longdouble" [
        "mov [rsp], rcx", "movzx eax, byte ptr [r8 + 0x32]", "call r9 /* {body} */",
        "mov rcx, [rsp]", "fld st(0)", "fstp tbyte ptr [rcx]"
    ] "x87 registers are not empty";
    x87_leaves_st1 X87 "() -> clongdouble" [
        "mov [rsp], rcx", "xor eax, eax", "call r9 /* {body} */",
        "mov rcx, [rsp]", "fld st(1)", "fstp tbyte ptr [rcx + 16]", "fstp tbyte ptr [rcx]"
    ] "x87 registers are not empty";
    x87_drops_st0 X87 "() -> longdouble" [
        "xor eax, eax", "call r9 /* {body} */", "fstp st(0)"
    ] "byte 0 of the slots";
    x87_rounds X87 "() -> longdouble" [
        "mov [rsp], rcx", "xor eax, eax", "call r9 /* {body} */", "fstp qword ptr [rsp - 16]",
        "fld qword ptr [rsp - 16]", "mov rcx, [rsp]", "fstp tbyte ptr [rcx]"
    ] "byte 0 of the slots";
    x87_swaps X87 "() -> clongdouble" [
        "mov [rsp], rcx", "xor eax, eax", "call r9 /* {body} */", "mov rcx, [rsp]",
        "fstp tbyte ptr [rcx + 16]", "fstp tbyte ptr [rcx]"
    ] "byte 0 of the slots";
    x87_stores_st1_elsewhere X87 "() -> clongdouble" [
        "mov [rsp], rcx", "xor eax, eax", "call r9 /* {body} */", "mov rcx, [rsp]",
        "fstp tbyte ptr [rcx]", "fstp tbyte ptr [rcx + 10]"
    ] "byte 10 of the slots";
    x87_writes_padding X87 "() -> longdouble" [
        "mov [rsp], rcx", "call {body}", "mov rcx, [rsp]", "not byte ptr [rcx + 10]"
    ] "byte 10 of the slots";
    x87_writes_two X87 "(i64, i64) -> longdouble" [
        "mov [rsp], rcx", "call {body}", "mov rcx, [rsp]", "fldz", "fstp tbyte ptr [rcx + 16]"
    ] "byte 16 of the slots";
    x87_changes_argument X87 "(i64, f64) -> longdouble" ["inc rdi", "call {body}"] "p0 in rdi";
    x87_loses_rbp X87 "() -> longdouble" ["call {body}", "not rbp"] "lost: rbp";
    x87_loses_control X87 "() -> longdouble" [
        "call {body}", "fnstcw [rsp]", "xor word ptr [rsp], 0x400", "fldcw [rsp]"
    ] "lost: the x87 control word";
    // E12, of `leavable`: the landing place is in r9
    leavable_never_calls Leavable "()" ["/* not {body} */"] "called 0 times";
    leavable_changes_argument Leavable "(i64)" ["inc rdi", "call {body}"] "context 0 in rdi";
    leavable_changes_result Leavable "() -> i64" ["call {body}", "inc rax"] "left in rax";
    leavable_stays_live Leavable "()" [
        "mov [rsp], r9", "call {body}", "mov r9, [rsp]", "mov [r9], rsp"
    ] "the landing place is not as it was";
    // E13
    leavable_says_returned Leavable "()" [
        "mov [rsp], r9", "call {body}", "mov r9, [rsp]", "and qword ptr [r9], 0"
    ] "says that the call has returned";
    leavable_loses_rbx Leavable "()" ["call {body}", "not rbx"] "lost: rbx";
    leavable_loses_direction Leavable "()" ["call {body}", "std"] "lost: the direction flag";
    leavable_leaves_x87 Leavable "()" ["call {body}", "fldz"] "x87 registers are not empty";
    // E13, of `landed`: a liar changes its frame, which is 8 bytes above
    landed_loses_rbx Landed "()" [
        "not qword ptr [rsp + 64]", "lea rsp, [rsp + 8]", "jmp {body}"
    ] "lost: rbx";
    landed_loses_rbp Landed "()" [
        "not qword ptr [rsp + 72]", "lea rsp, [rsp + 8]", "jmp {body}"
    ] "lost: rbp";
    landed_loses_mxcsr Landed "()" [
        "xor dword ptr [rsp + 8], 0x2000", "lea rsp, [rsp + 8]", "jmp {body}"
    ] "lost: mxcsr";
    landed_loses_x87 Landed "()" [
        "xor word ptr [rsp + 12], 0x400", "lea rsp, [rsp + 8]", "jmp {body}"
    ] "lost: the x87 control word";
    // E8, of `host`: the context is in rdi, the caller in rsi
    host_never_calls Host "()" ["/* not {body} */"] "the number of calls is 0x0";
    host_calls_twice Host "()" [
        "mov [rsp], rdi", "call {body}", "mov rdi, [rsp]", "call {body}"
    ] "the number of calls is 0x2";
    host_misaligned Host "()" [
        "sub rsp, 8", "call {body}", "add rsp, 8"
    ] "the stack pointer's alignment";
    host_sets_direction Host "()" ["std", "call {body}"] "found changed: the direction flag";
    host_changes_caller Host "()" ["inc rsi", "call {body}"] "the caller context";
    host_changes_argument Host "(i64) -> i64" ["inc rdx", "call {body}"] "result 0";
    // E9
    host_changes_result Host "(i64) -> i64" ["call {body}", "inc rax"] "result 0";
    host_changes_float Host "(i64) -> f64" ["call {body}", "pxor xmm0, xmm0"] "result 0";
    host_changes_area Host "(i64, i64) -> (i64, i64)" [
        "mov [rsp], r8", "call {body}", "mov r8, [rsp]", "not byte ptr [r8 + 7]"
    ] "byte 7 of the return area";
    host_writes_eight Host "(i64, i64, i64) -> (i64, i32, i64)" [
        "mov [rsp], r9", "call {body}", "mov r9, [rsp]", "not byte ptr [r9 + 4]"
    ] "byte 4 of the return area";
    // E10
    host_writes_context Host "()" ["not byte ptr [rdi]", "call {body}"] "a change of the context";
    host_writes_above Host "()" ["not byte ptr [rsp + 16]", "call {body}"] "lost: the caller's frame";
    host_relies_on_r10 Host "(i64) -> i64" [
        "xor r10, r10", "call {body}", "xor rax, r10"
    ] "result 0";
    host_relies_on_red_zone Host "(i64) -> i64" [
        "and qword ptr [rsp - 128], 0", "call {body}", "xor rax, [rsp - 128]"
    ] "result 0";
    // E4
    host_loses_rsp Host "()" [
        "call {body}", "mov rcx, [rsp + 8]", "add rsp, 24", "jmp rcx"
    ] "lost: rsp";
    host_loses_direction Host "()" ["call {body}", "std"] "lost: the direction flag";
    host_loses_mxcsr Host "()" [
        "call {body}", "stmxcsr [rsp]", "xor dword ptr [rsp], 0x2000", "ldmxcsr [rsp]"
    ] "lost: mxcsr";
    host_loses_x87 Host "()" [
        "call {body}", "fnstcw [rsp]", "xor word ptr [rsp], 0x400", "fldcw [rsp]"
    ] "lost: the x87 control word";
}

losers! {
    ["lea rsp, [rsp - 8]"]
    ["add rsp, 8", "ret"]
    loses Bare ["call {body}", "not \\r"] [rbx rbp r12 r13 r14 r15];
    host_loses Host ["call {body}", "not \\r"] [rbx rbp r12 r13 r14 r15];
}

deadly! {
    ["jmp rdx"]
    reads_before_slots "mov r10b, [rcx - 1]";
    reads_after_slots "mov r10b, [rcx]";
    reads_before_descriptor "mov r10b, [r8 - 1]";
    reads_after_descriptor "mov r10b, [r8 + 0x40]";
}
