/* SPDX-License-Identifier: MIT */
/*
 * int aion__switch(void **save_sp, void *sp, void *(*entry)(void)), AAPCS64: x0, x1, x2. See switch_int.h.
 *
 * A suspended context's stack, from the saved sp upwards: x29, x30, x19 to x28, d8 to d15. The frame record comes
 * first, as frame-pointer unwinders want it. x18 belongs to the platform and is not touched.
 */
	.text
	/* int aion__switch_resume(void **save_sp, void *sp) */
	.globl	aion__switch_resume
	.hidden	aion__switch_resume
	.type	aion__switch_resume, %function
	.p2align 6
aion__switch_resume:
	.cfi_startproc
	mov	x2, #0
	b	aion__switch
	.cfi_endproc
	.size	aion__switch_resume, . - aion__switch_resume

	.globl	aion__switch
	.hidden	aion__switch
	.type	aion__switch, %function
	.p2align 6
aion__switch:
	.cfi_startproc
	stp	x29, x30, [sp, #-160]!
	.cfi_def_cfa_offset 160
	.cfi_offset x29, -160
	.cfi_offset x30, -152
	stp	x19, x20, [sp, #16]
	.cfi_offset x19, -144
	.cfi_offset x20, -136
	stp	x21, x22, [sp, #32]
	.cfi_offset x21, -128
	.cfi_offset x22, -120
	stp	x23, x24, [sp, #48]
	.cfi_offset x23, -112
	.cfi_offset x24, -104
	stp	x25, x26, [sp, #64]
	.cfi_offset x25, -96
	.cfi_offset x26, -88
	stp	x27, x28, [sp, #80]
	.cfi_offset x27, -80
	.cfi_offset x28, -72
	stp	d8, d9, [sp, #96]
	.cfi_offset d8, -64
	.cfi_offset d9, -56
	stp	d10, d11, [sp, #112]
	.cfi_offset d10, -48
	.cfi_offset d11, -40
	stp	d12, d13, [sp, #128]
	.cfi_offset d12, -32
	.cfi_offset d13, -24
	stp	d14, d15, [sp, #144]
	.cfi_offset d14, -16
	.cfi_offset d15, -8
	mov	x3, sp
	str	x3, [x0]
	cbnz	x2, .Lstart
	mov	sp, x1
.Lresume:
	ldp	x19, x20, [sp, #16]
	ldp	x21, x22, [sp, #32]
	ldp	x23, x24, [sp, #48]
	ldp	x25, x26, [sp, #64]
	ldp	x27, x28, [sp, #80]
	ldp	d8, d9, [sp, #96]
	ldp	d10, d11, [sp, #112]
	ldp	d12, d13, [sp, #128]
	ldp	d14, d15, [sp, #144]
	.cfi_remember_state
	ldp	x29, x30, [sp], #160
	.cfi_def_cfa_offset 0
	.cfi_restore x29
	.cfi_restore x30
	mov	w0, #0
	ret

.Lstart:
	.cfi_restore_state
	.cfi_remember_state
	.cfi_undefined x30		/* unwinders end here */
	mov	sp, x1
	mov	x29, #0			/* and so do frame pointers */
	mov	x30, #0
	blr	x2
	mov	sp, x0
	.cfi_restore_state
	b	.Lresume
	.cfi_endproc
	.size	aion__switch, . - aion__switch

	/* int64_t aion__switch_leave(void *sp) */
	.globl	aion__switch_leave
	.hidden	aion__switch_leave
	.type	aion__switch_leave, %function
	.p2align 4
aion__switch_leave:
	.cfi_startproc
	.cfi_undefined x30
	mov	sp, x0
	ldp	x19, x20, [sp, #16]
	ldp	x21, x22, [sp, #32]
	ldp	x23, x24, [sp, #48]
	ldp	x25, x26, [sp, #64]
	ldp	x27, x28, [sp, #80]
	ldp	d8, d9, [sp, #96]
	ldp	d10, d11, [sp, #112]
	ldp	d12, d13, [sp, #128]
	ldp	d14, d15, [sp, #144]
	ldp	x29, x30, [sp], #160
	mov	w0, #0
	br	x30
	.cfi_endproc
	.size	aion__switch_leave, . - aion__switch_leave

	.section .note.GNU-stack, "", %progbits
