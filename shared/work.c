#include "shared/work.h"

_Thread_local uint64_t work_counter;
