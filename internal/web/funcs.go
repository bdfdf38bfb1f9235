package web

import (
	"fmt"
	"html/template"
	"net/url"
	"time"
)

// funcs are what the templates may call.
var funcs = template.FuncMap{
	"asset": assetPath,
	"when":  when,
	"ago":   ago,
	"span":  span,
	"many":  many[int64],
	"file":  file,
}

// file is a link that saves the text without asking the server for it again.
func file(text string) template.URL {
	return template.URL("data:text/plain;charset=utf-8," + url.PathEscape(text+"\n"))
}

// stamp is a time for people and for programs.
type stamp struct{ Human, Machine string }

func when(t time.Time) *stamp {
	if t.IsZero() {
		return nil
	}
	return &stamp{t.UTC().Format("2 Jan 2006, 15:04 UTC"), t.UTC().Format(time.RFC3339)}
}

// ago says how far t is from now, in one unit.
func ago(now, t time.Time) string {
	d := now.Sub(t)
	switch {
	case d > -time.Minute && d < time.Minute:
		return "now"
	case d < 0:
		return "in " + span(-d)
	}
	return span(d) + " ago"
}

var units = []struct {
	size time.Duration
	name string
}{{24 * time.Hour, "day"}, {time.Hour, "hour"}, {time.Minute, "minute"}, {time.Second, "second"}}

// span is a duration in its largest whole unit.
func span(d time.Duration) string {
	for _, u := range units {
		if n := int(d / u.size); n > 0 {
			return many(n, u.name)
		}
	}
	return "0 seconds"
}

func many[N int | int64](n N, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// point is a place on a plot.
func point(x, y int) string { return fmt.Sprintf("%d,%d ", x, y) }
