/* SPDX-License-Identifier: MIT */
/*
 * System V ABI: rdi, rsi, rdx. See switch_int.h.
 *
 * A suspended context's stack, from the saved sp upwards: r15, r14, r13, r12, rbx, rbp, the return address. There is no
 * mark for control-flow enforcement in this object: a shadow stack would have to be switched, too.
 */
	.text

	/*
	 * By plain stores and loads below rsp, in the red zone, not by push and pop: the loads need not wait for rsp.
	 * The registers of a suspended context lie below its rsp, too, for a moment: hence the offsets from the CFA.
	 */
	.macro	save_registers
	mov	%rbp, -8(%rsp)
	mov	%rbx, -16(%rsp)
	mov	%r12, -24(%rsp)
	mov	%r13, -32(%rsp)
	mov	%r14, -40(%rsp)
	mov	%r15, -48(%rsp)
	lea	-48(%rsp), %rax
	mov	%rax, (%rdi)
	.endm

	.macro	load_registers sp
	lea	48(\sp), %rsp
	.cfi_offset %rbp, -16
	.cfi_offset %rbx, -24
	.cfi_offset %r12, -32
	.cfi_offset %r13, -40
	.cfi_offset %r14, -48
	.cfi_offset %r15, -56
	mov	(\sp), %r15
	.cfi_restore %r15
	mov	8(\sp), %r14
	.cfi_restore %r14
	mov	16(\sp), %r13
	.cfi_restore %r13
	mov	24(\sp), %r12
	.cfi_restore %r12
	mov	32(\sp), %rbx
	.cfi_restore %rbx
	mov	40(\sp), %rbp
	.cfi_restore %rbp
	xor	%eax, %eax
	.endm

	/* int aion__switch_resume(void **save_sp, void *sp) */
	.globl	aion__switch_resume
	.hidden	aion__switch_resume
	.type	aion__switch_resume, @function
	.p2align 6
aion__switch_resume:
	.cfi_startproc
	save_registers
	load_registers %rsi
	ret
	.cfi_endproc
	.size	aion__switch_resume, . - aion__switch_resume

	/* int aion__switch(void **save_sp, void *sp, void *(*entry)(void)) */
	.globl	aion__switch
	.hidden	aion__switch
	.type	aion__switch, @function
	.p2align 4
aion__switch:
	.cfi_startproc
	test	%rdx, %rdx
	jz	aion__switch_resume
	save_registers
	/*
	 * By call and return, so that the return addresses which the processor predicts stay paired when a task ends
	 * into the one that started it.
	 */
	.cfi_remember_state
	.cfi_undefined %rip		/* unwinders end here */
	mov	%rsi, %rsp
	xor	%ebp, %ebp		/* and so do frame pointers */
	call	*%rdx
	mov	%rax, %rsi
	.cfi_restore_state
	load_registers %rsi
	ret
	.cfi_endproc
	.size	aion__switch, . - aion__switch

	/* int64_t aion__switch_leave(void *sp) */
	.globl	aion__switch_leave
	.hidden	aion__switch_leave
	.type	aion__switch_leave, @function
	.p2align 4
aion__switch_leave:
	.cfi_startproc
	load_registers %rdi
	pop	%rcx
	.cfi_adjust_cfa_offset -8
	.cfi_register %rip, %rcx
	jmp	*%rcx
	.cfi_endproc
	.size	aion__switch_leave, . - aion__switch_leave

	.section .note.GNU-stack, "", @progbits
