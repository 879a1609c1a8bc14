/* SPDX-License-Identifier: MIT */
/*
 * int aion__switch(void **save_sp, void *sp, void *(*entry)(void)), System V ABI: rdi, rsi, rdx. See switch_int.h.
 *
 * A suspended context's stack, from the saved sp upwards: r15, r14, r13, r12, rbx, rbp, the return address. Whichever
 * stack rsp is on, the frame has this form when the registers are popped, so one description serves the unwinder for
 * both. There is no mark for control-flow enforcement in this object: a shadow stack would have to be switched, too.
 */
	.text
	.globl	aion__switch
	.hidden	aion__switch
	.type	aion__switch, @function
	.p2align 6
aion__switch:
	.cfi_startproc
	push	%rbp
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %rbp, 0
	push	%rbx
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %rbx, 0
	push	%r12
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %r12, 0
	push	%r13
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %r13, 0
	push	%r14
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %r14, 0
	push	%r15
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %r15, 0
	mov	%rsp, (%rdi)
	test	%rdx, %rdx
	jnz	.Lstart
	mov	%rsi, %rsp
.Lresume:
	.cfi_remember_state
	pop	%r15
	.cfi_adjust_cfa_offset -8
	.cfi_restore %r15
	pop	%r14
	.cfi_adjust_cfa_offset -8
	.cfi_restore %r14
	pop	%r13
	.cfi_adjust_cfa_offset -8
	.cfi_restore %r13
	pop	%r12
	.cfi_adjust_cfa_offset -8
	.cfi_restore %r12
	pop	%rbx
	.cfi_adjust_cfa_offset -8
	.cfi_restore %rbx
	pop	%rbp
	.cfi_adjust_cfa_offset -8
	.cfi_restore %rbp
	xor	%eax, %eax
	ret

	/*
	 * By call and return, so that the return addresses which the processor predicts stay paired when a task ends
	 * into the one that started it.
	 */
.Lstart:
	.cfi_restore_state
	.cfi_remember_state
	.cfi_undefined %rip		/* unwinders end here */
	mov	%rsi, %rsp
	xor	%ebp, %ebp		/* and so do frame pointers */
	call	*%rdx
	mov	%rax, %rsp
	.cfi_restore_state
	jmp	.Lresume
	.cfi_endproc
	.size	aion__switch, . - aion__switch

	.section .note.GNU-stack, "", @progbits
