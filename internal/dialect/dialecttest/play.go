package dialecttest

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Play plays the exchanges of each file of testdata/wire as a subtest, over the kit and with the variables that
// setUp makes for it. A line starting with > is sent, one with < expected; $(name) in an answer is remembered and
// filled in from then on. "advance 25h" moves the clock, # begins a comment, an empty line ends an exchange. Headers
// that are not listed are not looked at.
func Play(t *testing.T, setUp func(*testing.T) (*Kit, map[string]string)) {
	files, err := filepath.Glob("testdata/wire/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("found no scripts: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			k, vars := setUp(t)
			p := &play{k, vars}
			for n, block := range strings.Split(string(text), "\n\n") {
				p.block(n+1, block)
			}
		})
	}
}

type play struct {
	*Kit
	vars map[string]string // :: name → what it stands for
}

// block plays one exchange, or one line of another kind.
func (p *play) block(n int, block string) {
	p.T.Helper()
	var sent, expected []string
	for line := range strings.Lines(block) {
		line = strings.TrimSuffix(line, "\n")
		switch {
		case strings.HasPrefix(line, ">"):
			sent = append(sent, p.fill(strings.TrimPrefix(line[1:], " ")))
		case strings.HasPrefix(line, "<"):
			expected = append(expected, strings.TrimPrefix(line[1:], " "))
		case strings.HasPrefix(line, "advance "):
			d, err := time.ParseDuration(line[len("advance "):])
			if err != nil {
				p.T.Fatalf("block %d: %v", n, err)
			}
			p.Advance(d)
		case line != "" && !strings.HasPrefix(line, "#"):
			p.T.Fatalf("block %d: unknown line %q", n, line)
		}
	}
	if len(sent) > 0 {
		p.exchange(n, sent, expected)
	}
}

func (p *play) exchange(n int, sent, expected []string) {
	p.T.Helper()
	method, path, _ := strings.Cut(sent[0], " ")
	headers, body := split(sent[1:])
	w := p.Do(method, path, body, headers...)
	if got := strconv.Itoa(w.Code); len(expected) == 0 || got != expected[0] {
		p.T.Fatalf("block %d: %s: status %s with %s, want %q", n, sent[0], got, w.Body, expected)
	}
	headers, body = split(expected[1:])
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		if got := w.Header().Get(name); got != value {
			p.T.Errorf("block %d: %s: %s is %q, want %q", n, sent[0], name, got, value)
		}
	}
	p.match(n, body, w.Body.String())
}

// split cuts at the first empty line.
func split(lines []string) (headers []string, body string) {
	for i, line := range lines {
		if line == "" {
			return lines[:i], strings.Join(lines[i+1:], "\n")
		}
	}
	return lines, ""
}

var variable = regexp.MustCompile(`\$\((\w+)\)`)

func (p *play) fill(s string) string {
	return variable.ReplaceAllStringFunc(s, func(v string) string { return p.vars[v[2:len(v)-1]] })
}

// match compares a body with what was expected, and remembers new variables.
func (p *play) match(n int, expected, got string) {
	p.T.Helper()
	var names []string
	pattern, last := "^", 0
	for _, at := range variable.FindAllStringSubmatchIndex(expected, -1) {
		name := expected[at[2]:at[3]]
		pattern += regexp.QuoteMeta(expected[last:at[0]])
		if value, known := p.vars[name]; known {
			pattern += regexp.QuoteMeta(value)
		} else {
			pattern += `([^"<\s]+)`
			names = append(names, name)
		}
		last = at[1]
	}
	m := regexp.MustCompile(pattern + regexp.QuoteMeta(expected[last:]) + "$").FindStringSubmatch(got)
	if m == nil {
		p.T.Fatalf("block %d: body\n%s\nwant\n%s", n, got, expected)
	}
	for i, name := range names {
		p.vars[name] = m[i+1]
	}
}
