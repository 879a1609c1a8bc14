// SPDX-License-Identifier: MIT
#include <aion.h>
#include <stdio.h>

static int64_t app(void *arg)
{
	return aion_sleep(AION_MILLISECOND);
}

int main(void)
{
	int64_t result = aion_run(app, NULL, NULL);

	printf("aion_run gave %d\n", (int)result);
	return result != 0;
}
