// Package orcid knows what an ORCID iD looks like.
package orcid

import (
	"errors"
	"regexp"
	"strings"
)

var pattern = regexp.MustCompile(`^[0-9]{4}-[0-9]{4}-[0-9]{4}-[0-9]{3}[0-9X]$`)

// Is reports whether id has the form that ORCID itself uses: four groups with hyphens,
// the last character a digit or X. It does not look at the check character.
func Is(id string) bool { return pattern.MatchString(id) }

// ErrForm and ErrCheck say why Parse does not take an iD.
var (
	ErrForm  = errors.New("it is not an ORCID iD; write it like 0000-0002-1825-0097")
	ErrCheck = errors.New("its last character does not fit the others, so something is mistyped; compare it with the iD on orcid.org")
)

// Parse returns, in ORCID's own form, an iD as people type it: with or without hyphens,
// or as a link. The check character must be right (ISO 7064 MOD 11-2); whether ORCID ever
// gave the iD out is not asked.
func Parse(text string) (string, error) {
	id := strings.TrimSpace(text)
	for _, before := range []string{"https://", "http://", "www.", "orcid.org/"} {
		if len(id) >= len(before) && strings.EqualFold(id[:len(before)], before) {
			id = id[len(before):]
		}
	}
	id = strings.ToUpper(strings.TrimSuffix(id, "/"))
	if len(id) == 16 {
		id = id[:4] + "-" + id[4:8] + "-" + id[8:12] + "-" + id[12:]
	}
	if !Is(id) {
		return "", ErrForm
	}
	if Check(id) != id[len(id)-1] {
		return "", ErrCheck
	}
	return id, nil
}

// Check returns the check character that belongs to the first 15 digits of id, which may
// have hyphens.
func Check(id string) byte {
	total, digits := 0, 0
	for _, r := range id {
		if '0' <= r && r <= '9' && digits < 15 {
			total = (total + int(r-'0')) * 2
			digits++
		}
	}
	return "0123456789X"[(12-total%11)%11]
}
