"""A stand-in for ROS 2's sensor_msgs; see rclpy beside it."""
