package graphql

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// standardQuery is what tools ask a server first, with nine levels of ofType.
func standardQuery(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile("testdata/introspection.graphql")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestStandardIntrospection(t *testing.T) {
	for _, style := range []Style{V15, V14} {
		r := run(style, standardQuery(t), nil)
		if len(r.Errors) > 0 || r.Data == nil {
			t.Fatalf("%s: %s", style, show(Result{Errors: r.Errors}))
		}
		if got := showValue(r.Data); !strings.HasPrefix(got, "{__schema:{queryType:{name:Auth} mutationType:null") {
			t.Errorf("%s: %.200s", style, got)
		}
		// Half of the limit is left for schemas that grow.
		if r.Work > maxWork/2 {
			t.Errorf("%s: %d steps of work", style, r.Work)
		}
	}
}

// Each of these would cost a naive server seconds. What they cost here is counted in steps, not in time.
func TestBombs(t *testing.T) {
	const tooMany = "The query has too many fields: split it into smaller ones."
	for name, c := range map[string]struct{ query, want string }{
		"thousands of aliases": {repeat("{", 3000, "a%d:login{id} ", "}"), tooMany},
		"deep selections":      {strings.Repeat("{login", 20), "Syntax Error: Document is nested more than 15 levels deep."},
		"deep list":            {"{login(username:" + strings.Repeat("[", 5000), "Syntax Error: Document is nested more than 15 levels deep."},
		"deep object":          {"{login(username:" + strings.Repeat("{a:", 5000), "Syntax Error: Document is nested more than 15 levels deep."},
		"deep type":            {"query($a:" + strings.Repeat("[", 5000), "Syntax Error: Document is nested more than 15 levels deep."},
		"many tokens":          {repeat("{login(username:[", 3000, "1 ", "]){id}}"), "Syntax Error: Document contains more than 2000 tokens."},
		"many directives":      {"{login " + strings.Repeat("@a ", 3000) + "{id}}", "Syntax Error: Document contains more than 2000 tokens."},
		"doubling fragments":   {doubling(60), tooMany},
		"deep fragments":       {chained(), "The query is nested too deeply."},
		"introspection":        {wideIntrospection(), errTooMuch.Message},
	} {
		t.Run(name, func(t *testing.T) {
			r := run(V15, c.query, nil)
			if len(r.Errors) == 0 || r.Errors[len(r.Errors)-1].Message != c.want || r.Data != nil {
				t.Errorf("got %.200s, want %s", show(r), c.want)
			}
			if r.Work > maxWork {
				t.Errorf("%d steps", r.Work)
			}
		})
	}
}

// Fields that conflict with many others are found in a number of steps that does not grow with its square.
func TestConflictsOfManyFieldsAreCheap(t *testing.T) {
	r := run(V15, repeat("{", 28, "login{user{a:id b:id}} login{user{a:fname}} ", "}"), nil)
	if len(r.Errors) != 28 || !strings.HasPrefix(r.Errors[0].Message, `Fields "login" conflict because subfields "user" conflict because subfields "a" conflict`) {
		t.Errorf("%d errors: %.200s", len(r.Errors), show(r))
	}
	if r.Work > maxWork/10 {
		t.Errorf("%d steps of work", r.Work)
	}
}

func TestLongNamesAreNotRepeatedWhole(t *testing.T) {
	long := strings.Repeat("x", 100000)
	for _, query := range []string{"{" + long + "}", `{login(username:"a" ` + long + `:1){id}}`, "{...A} fragment A on " + long + "{id}",
		`{login(username:{a:"` + long + `"}){id}}`, long} {
		if r := run(V15, query, nil); len(r.Errors) == 0 || len(show(r)) > 1000 {
			t.Errorf("%.30s…: an error of %d bytes", query, len(show(r)))
		}
	}
}

func TestClipKeepsCharactersWhole(t *testing.T) {
	if got := clip(strings.Repeat("x", nameInError-1) + "é"); got != strings.Repeat("x", nameInError-1)+"…" {
		t.Errorf("got %q", got)
	}
}

func TestDidYouMean(t *testing.T) {
	for _, c := range []struct {
		name  string
		known []string
		want  string
	}{
		{"logout", []string{"refresh"}, ``},
		{"USER", []string{"user"}, ` Did you mean "user"?`},
		{"usre", []string{"user"}, ` Did you mean "user"?`},
		{"abc", []string{"abe", "abd"}, ` Did you mean "abd" or "abe"?`},
		{"abc", []string{"ab", "abd", "xbd", "abcd"}, ` Did you mean "ab", "abcd", "abd", or "xbd"?`},
		{"a", []string{"b", "c", "d", "e", "f", "g"}, ` Did you mean "b", "c", "d", "e", or "f"?`},
	} {
		if got := didYouMean(c.name, c.known); got != c.want {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
		}
	}
}

func repeat(before string, n int, each, after string) string {
	var b strings.Builder
	b.WriteString(before)
	for i := range n {
		if strings.Contains(each, "%d") {
			fmt.Fprintf(&b, each, i)
		} else {
			b.WriteString(each)
		}
	}
	b.WriteString(after)
	return b.String()
}

// doubling spreads 2^n fields with n fragments.
func doubling(n int) string {
	var b strings.Builder
	b.WriteString("{...F0}")
	for i := range n {
		fmt.Fprintf(&b, " fragment F%d on Auth{...F%d ...F%d}", i, i+1, i+1)
	}
	fmt.Fprintf(&b, " fragment F%d on Auth{login{id}}", n)
	return b.String()
}

// chained goes deep by fragments that are shallow each.
func chained() string {
	var b strings.Builder
	b.WriteString("{__schema{types{...T0}}}")
	for i := range 12 {
		fmt.Fprintf(&b, " fragment T%d on __Type{ofType{...T%d}}", i, i+1)
	}
	b.WriteString(" fragment T12 on __Type{ofType{name}}")
	return b.String()
}

// wideIntrospection asks for every field of every type six times, and for each 150 names.
func wideIntrospection() string {
	return "{__schema{types{" + repeat("", 6, "a%d:fields{...N} ", "") + "}}} fragment N on __Field" + repeat("{", 150, "n%d:name ", "}")
}
