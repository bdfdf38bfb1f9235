package symbolon_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	namedTest = regexp.MustCompile("`([a-z0-9]+)\\.(Test\\w+)`")
	docLink   = regexp.MustCompile(`\]\(([^)#:\s]+)(#[^)]*)?\)`)
)

// Every deviation and every line of the bar names a test that is there.
func TestPapersNameTests(t *testing.T) {
	have := tests(t)
	for _, file := range []string{"docs/deviations.md", "docs/bar.md"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		namesTests(t, string(text), have)
	}
}

func namesTests(t *testing.T, text string, have map[string]bool) {
	t.Helper()
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "| ") || strings.HasPrefix(line, "| where") || strings.HasPrefix(line, "| #") {
			continue
		}
		found := namedTest.FindAllStringSubmatch(line, -1)
		if len(found) == 0 {
			t.Errorf("no test is named in: %s", line)
		}
		for _, m := range found {
			if !have[m[1]+"."+m[2]] {
				t.Errorf("there is no test %s.%s, named in: %s", m[1], m[2], line)
			}
		}
	}
}

// tests lists every test of the module as package.TestName.
func tests(t *testing.T) map[string]bool {
	t.Helper()
	have := map[string]bool{}
	walk(t, "_test.go", func(path string) {
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && strings.HasPrefix(fn.Name.Name, "Test") {
				have[strings.TrimSuffix(f.Name.Name, "_test")+"."+fn.Name.Name] = true
			}
		}
	})
	return have
}

// Every link between the papers leads somewhere.
func TestLinks(t *testing.T) {
	walk(t, ".md", func(path string) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range docLink.FindAllStringSubmatch(string(text), -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(path), m[1])); err != nil {
				t.Errorf("%s: the link to %s leads nowhere", path, m[1])
			}
		}
	})
}

func walk(t *testing.T, suffix string, do func(path string)) {
	t.Helper()
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && strings.HasPrefix(d.Name(), ".") && path != "." {
			return filepath.SkipDir
		}
		if err == nil && !d.IsDir() && strings.HasSuffix(path, suffix) {
			do(path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
