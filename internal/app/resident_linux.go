package app

import (
	"bufio"
	"fmt"
	"os"
	"runtime/debug"
	"strings"
	"syscall"
)

// shrink gives back the memory that only the start needed. Of the program's own pages a start touches a few in every part,
// and the kernel maps the sixteen around each of them: they are let go, stay in the page cache, and come back when they are
// used. Where anything of that fails the memory stays.
func shrink() {
	debug.FreeOSMemory()
	self, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return
	}
	maps, err := os.Open("/proc/self/maps")
	if err != nil {
		return
	}
	defer maps.Close()
	for lines := bufio.NewScanner(maps); lines.Scan(); {
		var from, to uintptr
		var rights string
		if n, _ := fmt.Sscanf(lines.Text(), "%x-%x %s", &from, &to, &rights); n != 3 || !strings.HasSuffix(lines.Text(), " "+self) {
			continue
		}
		if rights == "r-xp" || rights == "r--p" { // never written, so nothing is lost
			_, _, _ = syscall.Syscall(syscall.SYS_MADVISE, from, to-from, syscall.MADV_DONTNEED)
		}
	}
}
