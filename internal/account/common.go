package account

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"

	"github.com/ccojocar/zxcvbn-go/data"
)

// lists are the frequency lists that are looked up: passwords by how often they leaked,
// and words and names, which are tried next.
var lists = []string{"Passwords", "English", "MaleNames", "FemaleNames", "Surnames"}

// common holds, in lower case, those of the lists that are long enough to be a password at
// all. They are read when the first new password is checked.
var common = sync.OnceValue(func() map[string]bool {
	all := map[string]bool{}
	for _, name := range lists {
		text, err := data.Asset("data/" + name + ".json")
		var list struct{ List []string }
		if err == nil {
			err = json.Unmarshal(text, &list)
		}
		if err != nil {
			panic(fmt.Sprintf("reading the list %s: %v", name, err)) // it is part of the program
		}
		for _, word := range list.List {
			if len(word) >= minPassword {
				all[strings.ToLower(word)] = true
			}
		}
	}
	return all
})

// guessable reports whether the password is common, or one of the words.
func guessable(password string, words []string) bool {
	low := strings.ToLower(password)
	if common()[low] || low == "symbolon" {
		return true
	}
	for _, w := range words {
		if w != "" && low == strings.ToLower(w) {
			return true
		}
	}
	return false
}

// words are what a stranger tries who knows whose account it is.
func (a Account) words() []string {
	local, _, _ := strings.Cut(a.Email, "@")
	return []string{a.Name, a.Email, local, a.Display, strings.ReplaceAll(a.Display, " ", "")}
}
