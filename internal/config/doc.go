// Package config owns the one configuration file: its keys, defaults, limits
// and manual. The comments of the structs in config.go are the manual; Marshal
// and Example print them beside the keys.
//
// Load reads the file strictly and reports everything wrong with it at once,
// each problem with its line. A flag beats a variable, a variable beats the file.
// No secret stands in the file: keys ending in _file name the files that hold them.
package config
