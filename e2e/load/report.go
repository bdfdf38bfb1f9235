//go:build e2e

package load

import (
	"fmt"
	"os"
	"runtime"
	"strings"
)

// Machine names what absolute figures belong to, and how busy it is now.
func Machine() string {
	model, busy := "unknown processor", "?"
	if info, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		_, rest, _ := strings.Cut(string(info), "model name")
		line, _, _ := strings.Cut(rest, "\n")
		model = strings.TrimSpace(strings.TrimLeft(line, "\t :"))
	}
	if text, err := os.ReadFile("/proc/loadavg"); err == nil {
		busy, _, _ = strings.Cut(string(text), " ")
	}
	return fmt.Sprintf("%s, %d cores, %s/%s, %s, load average %s", model, runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version(), busy)
}

// Publish puts text between two marks of a file.
func Publish(file, begin, end, text string) error {
	content, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	before, rest, begun := strings.Cut(string(content), begin)
	_, after, ended := strings.Cut(rest, end)
	if !begun || !ended {
		return fmt.Errorf("%s holds no %q and %q", file, begin, end)
	}
	return os.WriteFile(file, []byte(before+begin+"\n\n"+text+"\n"+end+after), 0o644)
}
