// Package memory hands out a budget of memory, in bytes, to work that knows beforehand how much
// it needs. It imports no other package of the project.
package memory
