package graphql

import (
	"slices"
	"strings"
)

// didYouMean words the names that one may have meant, at most five; "" when none is near.
func didYouMean(name string, known []string) string {
	near := nearest(name, known)
	if len(near) == 0 {
		return ""
	}
	near = near[:min(len(near), 5)]
	for i, n := range near {
		near[i] = `"` + n + `"`
	}
	last := len(near) - 1
	switch last {
	case 0:
		return " Did you mean " + near[0] + "?"
	case 1:
		return " Did you mean " + near[0] + " or " + near[1] + "?"
	}
	return " Did you mean " + strings.Join(near[:last], ", ") + ", or " + near[last] + "?"
}

// nearest returns the known names within 0.4 × length + 1 edits, the nearest first.
func nearest(name string, known []string) []string {
	if len(name) > nameInError {
		return nil
	}
	distance := map[string]int{} // :: name → edits
	var near []string
	for _, k := range known {
		// In tenths: the threshold is no whole number.
		if d := edits(name, k); 10*d <= 4*len(name)+10 {
			distance[k] = d
			near = append(near, k)
		}
	}
	slices.SortStableFunc(near, func(a, b string) int {
		if d := distance[a] - distance[b]; d != 0 {
			return d
		}
		return strings.Compare(a, b)
	})
	return near
}

// edits counts insertions, deletions, replacements and swaps of neighbours that make b of a, whatever the
// case; a difference in case alone counts as one.
func edits(a, b string) int {
	if a == b {
		return 0
	}
	a, b = strings.ToLower(a), strings.ToLower(b)
	if a == b {
		return 1
	}
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			d := min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d = min(d, rows[i-2][j-2]+cost)
			}
			rows[i][j] = d
		}
	}
	return rows[len(a)][len(b)]
}
