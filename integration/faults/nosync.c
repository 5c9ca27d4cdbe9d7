/* Preloaded into the daemon: nothing is ever forced to the disk. The control of power_cut.py. */
int fsync(int descriptor) {
    (void)descriptor;
    return 0;
}

int fdatasync(int descriptor) {
    (void)descriptor;
    return 0;
}
