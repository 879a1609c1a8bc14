/* SPDX-License-Identifier: MIT */
#ifndef AION_OP_OP_INLET_INT_H
#define AION_OP_OP_INLET_INT_H
/* What the inlet's two halves and its buffers' group ask of each other. */
#include <aion/inlet.h>

struct aion__buffer_group;

/* There are buffers: who stands first in line receives again. */
void aion__inlet_serve_line(struct aion__buffer_group *group);
/* A buffer on its account has come back, while it was given no more. */
void aion__inlet_resume(struct aion_inlet *inlet);

#endif
