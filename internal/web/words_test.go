package web

import (
	"os"
	"regexp"
	"testing"

	"symbolon/internal/audit"
)

// Every kind of audit line has words for people.
func TestDeedsHaveWords(t *testing.T) {
	src, err := os.ReadFile("../audit/audit.go")
	if err != nil {
		t.Fatal(err)
	}
	kinds := regexp.MustCompile(`Kind = "([a-z_]+)"`).FindAllSubmatch(src, -1)
	if len(kinds) < 20 {
		t.Fatalf("only %d kinds found", len(kinds))
	}
	for _, k := range kinds {
		if deeds[audit.Kind(k[1])] == "" {
			t.Errorf("no words for %s", k[1])
		}
	}
}
