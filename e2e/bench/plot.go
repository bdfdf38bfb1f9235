//go:build e2e

package main

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
)

// plots writes the pictures beside performance.md: what share of its floor each path reaches, and rotations by clients.
func (r *report) plots(dir string) error {
	dir = filepath.Join(dir, "plots")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "shares.svg"), []byte(r.bars()), 0o644); err != nil {
		return err
	}
	if len(r.curve) == 0 {
		return nil
	}
	return os.WriteFile(filepath.Join(dir, "rotation.svg"), []byte(r.line()), 0o644)
}

const svgStart = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="13">
<title>%s</title>
<rect width="100%%" height="100%%" fill="white"/>
`

// bars has a bar for each path: the share that its goal is set in, and a mark where the goal is. What lies above 1.5 is cut.
func (r *report) bars() string {
	const left, wide, most, line = 400, 420, 1.5, 30
	var b strings.Builder
	fmt.Fprintf(&b, svgStart, left+wide+110, len(r.rows)*line+50, "Share of the floor that each path reaches")
	at := func(share float64) float64 { return left + math.Min(share, most)/most*wide }
	for _, tick := range []float64{0, 0.5, 1, 1.5} {
		fmt.Fprintf(&b, `<line x1="%[1]g" y1="10" x2="%[1]g" y2="%[2]d" stroke="#bbb"/><text x="%[1]g" y="%[3]d" text-anchor="middle" fill="#333">%[4]g</text>`+"\n",
			at(tick), len(r.rows)*line+15, len(r.rows)*line+35, tick)
	}
	for i, x := range r.rows {
		y := 15 + i*line
		share, by, goal := median(x.cpuShare()), "CPU", x.byCPU
		if x.byCPU == 0 && x.byRate > 0 {
			share, by, goal = median(x.rateShare()), "rate", x.byRate
		}
		fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="end" fill="#111">%s</text>`+"\n", left-8, y+15, strings.ReplaceAll(x.path, "&", "&amp;"))
		fmt.Fprintf(&b, `<rect x="%d" y="%d" width="%.1f" height="18" fill="#4a7fb5"/><text x="%d" y="%d" fill="#111">%.2f by %s</text>`+"\n",
			left, y, at(share)-left, left+wide+12, y+14, share, by)
		if goal > 0 {
			fmt.Fprintf(&b, `<line x1="%[1]g" y1="%[2]d" x2="%[1]g" y2="%[3]d" stroke="#c03030" stroke-width="3"/>`+"\n", at(goal), y-3, y+21)
		}
	}
	return b.String() + "</svg>\n"
}

// line has rotations a second over clients at once, both axes by factors of two.
func (r *report) line() string {
	const wide, high, left, top = 560, 300, 80, 20
	low, most := math.Inf(1), 0.0
	for _, p := range r.curve {
		low, most = math.Min(low, p.rate), math.Max(most, p.rate)
	}
	bottom, ceiling := math.Floor(math.Log2(low)), math.Ceil(math.Log2(most))
	x := func(clients int) float64 {
		return left + math.Log2(float64(clients))/math.Log2(float64(r.curve[len(r.curve)-1].clients))*wide
	}
	y := func(rate float64) float64 { return top + high*(1-(math.Log2(rate)-bottom)/(ceiling-bottom)) }
	var b strings.Builder
	fmt.Fprintf(&b, svgStart, left+wide+40, top+high+60, "Rotations a second by clients at once, SQLite")
	for e := bottom; e <= ceiling; e++ {
		at := y(math.Exp2(e))
		fmt.Fprintf(&b, `<line x1="%d" y1="%.1f" x2="%d" y2="%.1f" stroke="#ddd"/>`+"\n", left, at, left+wide, at)
		fmt.Fprintf(&b, `<text x="%d" y="%.1f" text-anchor="end" fill="#333">%.0f/s</text>`+"\n", left-8, at+4, math.Exp2(e))
	}
	var points []string
	for _, p := range r.curve {
		points = append(points, fmt.Sprintf("%.1f,%.1f", x(p.clients), y(p.rate)))
		fmt.Fprintf(&b, `<circle cx="%.1f" cy="%.1f" r="4" fill="#4a7fb5"/><text x="%.1f" y="%d" text-anchor="middle" fill="#333">%d</text>`+"\n",
			x(p.clients), y(p.rate), x(p.clients), top+high+22, p.clients)
	}
	fmt.Fprintf(&b, `<polyline points="%s" fill="none" stroke="#4a7fb5" stroke-width="2"/>`+"\n", strings.Join(points, " "))
	fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="middle" fill="#333">clients at once</text>`+"\n", left+wide/2, top+high+45)
	return b.String() + "</svg>\n"
}
