package web

import (
	"context"
	"time"

	"symbolon/internal/httpio"
	"symbolon/internal/token"
)

// chart is the activity of a time, as a plot and as a table.
type chart struct {
	Hours  []hour
	Series []series
	Lines  []gridLine
	Ticks  []tickMark
	Width  int
	Height int
	Span   string
	Spans  []spanOption
}

// hour is what happened in one hour, or in one day where the span is long.
type hour struct {
	At     *stamp
	Counts []int64 // in the order of whats
}

// series is one kind of deed as a line of the plot.
type series struct {
	Name, Class string
	Points      string // of an SVG polyline
	Total       int64
}

type gridLine struct {
	Y     int
	Label int64
}

type tickMark struct {
	X     int
	Label string
}

type spanOption struct {
	Name, Label string
	Chosen      bool
}

// whats are the deeds that are counted, in the order of the columns.
var whats = []token.Deed{token.DeedIssued, token.DeedRefreshed, token.DeedRefused, token.DeedRevoked}

// Size of the plot, and what its axes take of it.
const (
	plotWidth, plotHeight = 900, 260
	left, bottom, top     = 50, 30, 10
)

// spans are the times that can be looked at.
var spans = []struct {
	name, label string
	length      time.Duration
	step        time.Duration
}{
	{"day", "24 hours", 24 * time.Hour, time.Hour},
	{"week", "7 days", 7 * 24 * time.Hour, time.Hour},
	{"month", "30 days", 30 * 24 * time.Hour, 24 * time.Hour},
}

// activity counts what happened in the span that the request names.
func (s *Site) activity(ctx context.Context, r *httpio.Request, v *visitor) (chart, error) {
	chosen := spans[0]
	for _, sp := range spans {
		if sp.name == r.Query.Get("span") {
			chosen = sp
		}
	}
	until := s.Now().UTC().Truncate(chosen.step).Add(chosen.step)
	since := until.Add(-chosen.length)
	counts, err := s.Engine.Activity(ctx, operator(r, v), since, until)
	if err != nil {
		return chart{}, err
	}
	sums := make([][]int64, int(chosen.length/chosen.step)) // :: step → what → count
	for i := range sums {
		sums[i] = make([]int64, len(whats))
	}
	for _, c := range counts {
		i := int(c.Hour.Sub(since) / chosen.step)
		for j, what := range whats {
			if what == c.Deed && i >= 0 && i < len(sums) {
				sums[i][j] += c.Count
			}
		}
	}
	c := draw(sums, since, chosen.step)
	c.Span = chosen.label
	for _, sp := range spans {
		c.Spans = append(c.Spans, spanOption{sp.name, sp.label, sp.name == chosen.name})
	}
	return c, nil
}

// draw places the counts on the plot and in the table.
func draw(sums [][]int64, since time.Time, step time.Duration) chart {
	c := chart{Width: plotWidth, Height: plotHeight}
	most := int64(1)
	for _, at := range sums {
		for _, n := range at {
			most = max(most, n)
		}
	}
	most = roundUp(most)
	x := func(i int) int { return left + i*(plotWidth-left-10)/max(len(sums)-1, 1) }
	y := func(n int64) int { return plotHeight - bottom - int(n*(plotHeight-bottom-top)/most) }
	for j, what := range whats {
		line := series{Name: string(what), Class: "line-" + string(what)}
		for i, at := range sums {
			line.Points += point(x(i), y(at[j]))
			line.Total += at[j]
		}
		c.Series = append(c.Series, line)
	}
	for _, part := range []int64{0, 1, 2} {
		c.Lines = append(c.Lines, gridLine{y(most * part / 2), most * part / 2})
	}
	format := "15:04"
	if step >= 24*time.Hour || len(sums) > 24 {
		format = "2 Jan"
	}
	for i, at := range sums {
		when := since.Add(time.Duration(i) * step)
		if i%max(len(sums)/6, 1) == 0 {
			c.Ticks = append(c.Ticks, tickMark{x(i), when.Format(format)})
		}
		c.Hours = append(c.Hours, hour{&stamp{when.Format("2 Jan, 15:04"), when.Format(time.RFC3339)}, at})
	}
	return c
}

// roundUp is the next even number that reads well on an axis: 2, 4, 10, 20, 40, 100, …
func roundUp(n int64) int64 {
	for step := int64(1); ; step *= 10 {
		for _, f := range []int64{2, 4, 10} {
			if n <= f*step {
				return f * step
			}
		}
	}
}
