// A number of rows that the device decides.

struct RowCount {
    uint count;
    uint capacity;
    uint overflow;
};
