package app

import (
	"os"
	"regexp"
	"strconv"
	"testing"
)

// mapped is how much of files the process has in memory, in KiB.
func mapped(t *testing.T) int {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`RssFile:\s+(\d+) kB`).FindSubmatch(status)
	if m == nil {
		t.Fatalf("no RssFile in %s", status)
	}
	n, err := strconv.Atoi(string(m[1]))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestShrinkLetsTheProgramGo(t *testing.T) {
	newEnv(t, nil) // touches much of the program
	before := mapped(t)
	shrink()
	if after := mapped(t); after > before/2 {
		t.Errorf("%d KiB of files were in memory, and %d are still", before, after)
	}
}
