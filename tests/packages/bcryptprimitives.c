/* The one function that Wine 8 lacks and every Rust wheel asks for: ProcessPrng of bcryptprimitives.dll.
   Only for tests; on Windows the system has it. */
#include <windows.h>
BOOLEAN NTAPI SystemFunction036(PVOID, ULONG); /* RtlGenRandom */
__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE data, SIZE_T size) { return SystemFunction036(data, (ULONG)size); }
