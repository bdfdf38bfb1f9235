//go:build e2e

package load

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// TreeCPU is what a process and its living children have used so far, as those of a PostgreSQL.
func TreeCPU(pid int) (time.Duration, error) {
	sum, err := CPU(pid)
	if err != nil {
		return 0, err
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		return 0, fmt.Errorf("reading children: %w", err)
	}
	for _, child := range strings.Fields(string(text)) {
		id, err := strconv.Atoi(child)
		if err != nil {
			return 0, fmt.Errorf("reading children: %w", err)
		}
		if used, err := CPU(id); err == nil { // one that is gone by now is not counted
			sum += used
		}
	}
	return sum, nil
}
