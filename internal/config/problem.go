package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// InvalidError is everything that is wrong with a configuration. Its text has one
// line for each problem, in the order of the file.
type InvalidError struct {
	Problems []Problem
}

// Error returns one line for each problem.
func (e *InvalidError) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// Problem is one thing wrong: where it stands, and a text that says what is wrong
// and what to do.
type Problem struct {
	// Source is the file, or the variable or flag that gave the value.
	Source string
	// Line counts from 1 in a file; 0 means that there is no line to name.
	Line int
	// Text is the sentence for the reader. It holds no secret.
	Text string
}

// String returns FILE:LINE: TEXT, without the line where there is none.
func (p Problem) String() string {
	if p.Line == 0 {
		return p.Source + ": " + p.Text
	}
	return fmt.Sprintf("%s:%d: %s", p.Source, p.Line, p.Text)
}

// place is where a value was given.
type place struct {
	source string
	line   int
}

// report collects problems, at most one for each key path and what it encloses, so
// that a value that could not be read is not complained about again for its meaning.
type report struct {
	places   map[string]place // :: key path → where its value was given
	bad      map[string]bool  // :: key path → already has a problem
	problems []Problem
}

func newReport(places map[string]place) *report {
	return &report{places: places, bad: map[string]bool{}}
}

// add notes a problem with the value at a key path such as services[0].path.
func (r *report) add(path, format string, args ...any) {
	at := r.place(path)
	r.addAt(at.source, at.line, path, format, args...)
}

func (r *report) addAt(source string, line int, path, format string, args ...any) {
	for p := path; p != ""; p = enclosing(p) {
		if r.bad[p] {
			return
		}
	}
	r.bad[path] = true
	r.problems = append(r.problems, Problem{source, line, fmt.Sprintf(format, args...)})
}

// enclosing cuts the last key or index off a path; nothing encloses a top-level key.
func enclosing(path string) string { return path[:max(0, strings.LastIndexAny(path, ".["))] }

// place finds where path, or else what encloses it, was given. A configuration
// made by code has no places: there the path itself is the best name.
func (r *report) place(path string) place {
	for p := path; ; p = enclosing(p) {
		if at, ok := r.places[p]; ok {
			return at
		}
		if p == "" {
			break
		}
	}
	return place{source: path}
}

// err returns an InvalidError, or nil when there is no problem.
func (r *report) err() error {
	if len(r.problems) == 0 {
		return nil
	}
	slices.SortStableFunc(r.problems, func(a, b Problem) int {
		return cmp.Or(r.rank(a)-r.rank(b), a.Line-b.Line)
	})
	return &InvalidError{r.problems}
}

// rank puts the problems of the file before those of variables and flags.
func (r *report) rank(p Problem) int {
	if p.Source == r.places[""].source {
		return 0
	}
	return 1
}
