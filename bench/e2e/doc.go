// Package e2e tests the service as its users run it: each test starts the built
// program as one or more processes against real servers, calls the API, and looks
// at what is stored. It has tests only; begin reading at main_test.go. The tests
// import nothing of the service, apart from helpers of its tests.
package e2e
