package api

import "strconv"

// Paging is which part of a list is wanted.
type Paging struct {
	Cursor string `query:"cursor" pattern:"^[0-9]{1,19}$" patternDescription:"a cursor" doc:"The next of the page before."`
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"Most items of one answer."`
}

// before is the number that all wanted have less than, 0 for all.
func (p Paging) before() int64 {
	n, err := strconv.ParseInt(p.Cursor, 10, 64)
	if err != nil {
		return 0
	}
	return n
}

func cursorAt(id int64) *string {
	text := strconv.FormatInt(id, 10)
	return &text
}
