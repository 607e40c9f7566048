// Package config reads the process's settings from the environment and an optional
// .env file, and reports all invalid ones at once, each by the name of its variable.
//
// It imports no other package of the project, and only main imports it. Begin reading
// with config.go, which lists the settings, then load.go.
package config
