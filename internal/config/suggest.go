package config

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
)

// suggest returns the sentence about a key that is none of known.
func (d *decoder) suggest(known map[string]reflect.Value) func(key string) string {
	names := slices.Sorted(maps.Keys(known))
	return func(key string) string {
		if near := nearest(key, names); near != "" {
			return fmt.Sprintf("unknown key %q; did you mean %s?", key, near)
		}
		return fmt.Sprintf("unknown key %q; remove the line (`symbolon config example` shows every key)", key)
	}
}

// nearest returns the first of the names that differ least from word, or nothing
// when all differ in more than a third of their letters.
func nearest(word string, names []string) string {
	best, least := "", 1<<30
	if len(word) > 64 {
		return ""
	}
	for _, name := range names {
		if n := distance(word, name); n < least && n <= max(1, len(name)/3) {
			best, least = name, n
		}
	}
	return best
}

// distance counts the bytes to insert, remove or change to make b of a.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j+1]+1, row[j]+1)
		}
	}
	return row[len(b)]
}
