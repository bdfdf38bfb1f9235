//go:build e2e

package e2e

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// variant builds the program with some of its files changed, or added, in the build alone. :: file, from the module's root → content
func variant(t *testing.T, files map[string]string) (path string) {
	t.Helper()
	dir := t.TempDir()
	overlay := struct{ Replace map[string]string }{map[string]string{}}
	for name, content := range files {
		file := filepath.Join(dir, strings.ReplaceAll(name, "/", "_"))
		save(t, file, []byte(content))
		at, err := filepath.Abs(filepath.Join("..", name))
		if err != nil {
			t.Fatal(err)
		}
		overlay.Replace[at] = file
	}
	list, err := json.Marshal(overlay)
	if err != nil {
		t.Fatal(err)
	}
	save(t, filepath.Join(dir, "overlay.json"), list)
	path = filepath.Join(dir, "symbolon")
	build := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-overlay", filepath.Join(dir, "overlay.json"), "-o", path, "../cmd/symbolon")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building a variant: %v\n%s", err, out)
	}
	return path
}

// source is a file of the module.
func source(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("..", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}
