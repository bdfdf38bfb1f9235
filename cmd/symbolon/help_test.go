package main

import (
	"bytes"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/google/go-cmp/cmp"

	"symbolon/internal/config"
)

func model(t *testing.T) *kong.Node {
	t.Helper()
	return newParser(t.Context(), &terminal{out: t.Output(), err: t.Output()}).Model.Node
}

func TestHelpNamesTheVariables(t *testing.T) {
	var out bytes.Buffer
	if code := run(t.Context(), terminal{out: &out, err: t.Output()}, []string{"--help"}); code != exitDone {
		t.Fatalf("exit code %d", code)
	}
	want := []string{"SYMBOLON_CONFIG", "SYMBOLON_MASTER_KEY", "SYMBOLON_MASTER_KEY_NEXT"}
	for _, v := range config.Variables() {
		want = append(want, v.Name)
	}
	// The help is wrapped between words only.
	got := regexp.MustCompile(`SYMBOLON_[A-Z_]+`).FindAllString(out.String(), -1)
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, slices.Compact(got)); diff != "" {
		t.Errorf("variables read (-), named in the help (+):\n%s", diff)
	}
}

func TestManualNamesTheVariables(t *testing.T) {
	_, table, _ := strings.Cut(manual(t, "docs/operate.md"), "| variable |")
	table, _, _ = strings.Cut(table, "\n\n")
	for _, v := range config.Variables() {
		suffix := strings.TrimPrefix(v.Name, "SYMBOLON")
		if !strings.Contains(table, "`"+v.Name+"`") && !strings.Contains(table, "`"+suffix+"`") {
			t.Errorf("the table of variables lacks %s", v.Name)
		}
	}
}

func TestHelpScriptHasEveryCommand(t *testing.T) {
	script, err := os.ReadFile("testdata/script/help.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, command := range model(t).Leaves(true) {
		words := regexp.MustCompile(` ?<[a-z]+>`).ReplaceAllString(command.Path(), "")
		if !strings.Contains(string(script), "\nsymbolon "+words+" --help\n") {
			t.Errorf("testdata/script/help.txtar does not show the help of %q", words)
		}
	}
}

func manual(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile("../../" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// commandLine finds, in code blocks and code spans, what is typed after symbolon.
var commandLine = regexp.MustCompile("(?m)(?:^|[|&;`] *|[=/ ])symbolon((?: +[^`|;&#\n]+)?)")

// TestPapersNameTheFlags holds the papers to the command line: each command
// and flag they show must exist.
func TestPapersNameTheFlags(t *testing.T) {
	for _, name := range []string{"README.md", "docs/operate.md"} {
		t.Run(name, func(t *testing.T) {
			found := 0
			for _, line := range codeLines(manual(t, name)) {
				for _, m := range commandLine.FindAllStringSubmatch(line, -1) {
					found++
					checkLine(t, strings.Fields(m[1]))
				}
			}
			if found < 10 {
				t.Errorf("only %d command lines found: has the form of the papers changed?", found)
			}
		})
	}
}

// codeLines returns the lines of code blocks, and the code spans elsewhere.
func codeLines(text string) []string {
	var lines []string
	inside := false
	for line := range strings.Lines(text) {
		switch {
		case strings.HasPrefix(line, "```"):
			inside = !inside
		case inside:
			lines = append(lines, strings.TrimSpace(line))
		default:
			for _, span := range regexp.MustCompile("`symbolon[^`]*`").FindAllString(line, -1) {
				lines = append(lines, strings.Trim(span, "`"))
			}
		}
	}
	return lines
}

// checkLine follows words down the commands and looks each flag up.
func checkLine(t *testing.T, words []string) {
	t.Helper()
	node := model(t)
	for _, w := range words {
		w = strings.Trim(w, "[],")
		if flag, ok := strings.CutPrefix(w, "--"); ok {
			flag, _, _ = strings.Cut(flag, "=")
			if !hasFlag(node, flag) {
				t.Errorf("symbolon %s: there is no flag --%s", strings.Join(words, " "), flag)
			}
			continue
		}
		child := slices.IndexFunc(node.Children, func(n *kong.Node) bool { return n.Name == w })
		if child >= 0 {
			node = node.Children[child]
		} else if len(node.Children) > 0 && regexp.MustCompile(`^[a-z-]+$`).MatchString(w) {
			t.Errorf("symbolon %s: there is no command %q", strings.Join(words, " "), w)
			return
		}
	}
}

func hasFlag(node *kong.Node, name string) bool {
	for _, group := range node.AllFlags(false) {
		if slices.ContainsFunc(group, func(f *kong.Flag) bool { return f.Name == name }) {
			return true
		}
	}
	return false
}
